package ringmq;

import java.util.List;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.command.topic.DeleteTopicSubCommand;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** DefaultMQAdminExt, the class behind mqadmin: topics, groups, connections, the state of a broker. */
class AdminTest extends ClientTest {
    @Test
    void topicFromCreationToDeletion() throws Exception {
        String broker = Node.brokers().get(0), topic = Node.topic(3, 2, 6);
        var config = Node.admin().getAllTopicConfig(broker, 5000).getTopicConfigTable().get(topic);
        assertEquals(List.of(3, 2, 6), List.of(config.getReadQueueNums(), config.getWriteQueueNums(), config.getPerm()), "read queues, write queues, permission in the list of all topics");
        Node.putTopic(topic, 4, 4, 4);
        Node.eventually(5, "permission in the route after a change to read-only", 4, () -> Node.admin().examineTopicRouteInfo(topic).getQueueDatas().get(0).getPerm());
        var changed = Node.admin().examineTopicConfig(broker, topic);
        assertEquals(List.of(4, 4, 4), List.of(changed.getReadQueueNums(), changed.getWriteQueueNums(), changed.getPerm()), "read queues, write queues, permission after the change");
        assertTrue(Node.admin().fetchAllTopicList().getTopicList().contains(topic), "the name server lists the topic");

        // what `mqadmin deleteTopic` does; the admin class itself swapped two arguments between the two lines
        DeleteTopicSubCommand.deleteTopic(Node.admin(), Node.cluster(), topic);
        assertThrows(MQClientException.class, () -> Node.admin().examineTopicRouteInfo(topic), "the route of a deleted topic");
        assertFalse(Node.admin().getAllTopicConfig(broker, 5000).getTopicConfigTable().containsKey(topic), "the deleted topic is still in the list");
    }

    @Test
    void systemAndIllegalTopicsAreRefused() throws Exception {
        int invalid = Node.isBefore5() ? 1 : 29;
        for (String topic : List.of("TBW102", "SCHEDULE_TOPIC_XXXX", "a b", "../x")) {
            var response = Wire.ask(Node.brokers().get(0), 17, java.util.Map.of("topic", topic, "defaultTopic", "TBW102", "readQueueNums", "1", "writeQueueNums", "1",
                "perm", "6", "topicFilterType", "SINGLE_TAG", "topicSysFlag", "0", "order", "false"), null);
            assertEquals(invalid, response.getCode(), "creating [" + topic + "]: " + response.getRemark());
        }
    }

    @Test
    void topicStats() throws Exception {
        String topic = Node.topic(2);
        List<MessageQueue> queues = Node.queues(topic);
        sendTo(queues.get(1), texts("message", 5));
        long last = everythingIn(queues.get(1), 5).get(4).getStoreTimestamp();
        var table = Node.admin().examineTopicStats(topic).getOffsetTable();
        assertEquals(new TreeSet<>(queues), new TreeSet<>(table.keySet()), "queues in the statistics");
        assertEquals(List.of(0L, 0L, 0L), List.of(table.get(queues.get(0)).getMinOffset(), table.get(queues.get(0)).getMaxOffset(), table.get(queues.get(0)).getLastUpdateTimestamp()), "an empty queue: min, max, last update");
        assertEquals(List.of(0L, 5L), List.of(table.get(queues.get(1)).getMinOffset(), table.get(queues.get(1)).getMaxOffset()), "min and max offset");
        assertEquals(last, table.get(queues.get(1)).getLastUpdateTimestamp(), "last update is the last message's store time");
    }

    @Test
    void groups() throws Exception {
        String broker = Node.brokers().get(0), group = Node.unique("group");
        // an unknown group is created by asking for it, as a consumer's heartbeat would; its class differs between the two lines
        var config = Node.admin().getAllSubscriptionGroup(broker, 5000).getSubscriptionGroupTable().get("TOOLS_CONSUMER");
        config.setGroupName(group);
        config.setRetryMaxTimes(3);
        config.setConsumeBroadcastEnable(false);
        Node.admin().createAndUpdateSubscriptionGroupConfig(broker, config);
        var stored = Node.admin().examineSubscriptionGroupConfig(broker, group);
        assertEquals(List.of(group, 3, false, true, 1), List.of(stored.getGroupName(), stored.getRetryMaxTimes(), stored.isConsumeBroadcastEnable(), stored.isConsumeEnable(), stored.getRetryQueueNums()));
        Node.admin().deleteSubscriptionGroup(broker, group, true);
        assertFalse(Node.admin().getAllSubscriptionGroup(broker, 5000).getSubscriptionGroupTable().containsKey(group), "the deleted group is still in the list");
    }

    @Test
    void groupWithConsumingSwitchedOff() throws Exception {
        String broker = Node.brokers().get(0), group = Node.unique("group");
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        var config = Node.admin().getAllSubscriptionGroup(broker, 5000).getSubscriptionGroupTable().get("TOOLS_CONSUMER");
        config.setGroupName(group);
        config.setConsumeEnable(false);
        Node.admin().createAndUpdateSubscriptionGroupConfig(broker, config);
        MQBrokerException refused = assertThrows(MQBrokerException.class, () -> pull(group).pull(queue, "*", 0, 1));
        assertEquals(16, refused.getResponseCode(), "NO_PERMISSION: " + refused.getMessage());
        assertEquals("subscription group no permission, " + group, refused.getErrorMessage());
    }

    @Test
    void membersOfAGroup() throws Exception {
        String topic = Node.topic(1), group = Node.unique("group");
        DefaultMQPushConsumer consumer = push(group, topic, "A || B", new Inbox());
        String id = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
        Node.eventually(5, "members of the group", List.of(id),
            () -> consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().findConsumerIdList(topic, group));
        consumer.shutdown();
        var response = Wire.ask(Node.brokers().get(0), 38, java.util.Map.of("consumerGroup", group), null);
        assertEquals(1, response.getCode(), "code for a group without members: " + response.getRemark());
        assertEquals("no consumer for this group, " + group, response.getRemark());
    }

    @Test
    void stateAndConfiguration() throws Exception {
        String broker = Node.brokers().get(0);
        var state = Node.admin().fetchBrokerRuntimeStats(broker).getTable();
        for (String key : List.of("bootTimestamp", "brokerVersionDesc", "brokerVersion", "putTps", Node.isBefore5() ? "getTransferedTps" : "getTransferredTps", "sendThreadPoolQueueSize", "pullThreadPoolQueueSize",
            "sendThreadPoolQueueHeadWaitTimeMills", "pullThreadPoolQueueHeadWaitTimeMills", "pageCacheLockTimeMills", "earliestMessageTimeStamp", "commitLogDiskRatio",
            "msgPutTotalTodayNow", "msgPutTotalTodayMorning", "msgPutTotalYesterdayMorning", "msgGetTotalTodayNow", "msgGetTotalTodayMorning", "msgGetTotalYesterdayMorning")) {
            assertTrue(state.containsKey(key), "mqadmin clusterList needs " + key + " in " + state.keySet());
        }
        var properties = Node.admin().getBrokerConfig(broker);
        for (String key : List.of("brokerName", "brokerClusterName", "brokerId", "brokerIP1", "listenPort", "flushDiskType", "autoCreateTopicEnable", "fileReservedTime", "maxMessageSize", "storePathRootDir")) {
            assertTrue(properties.getProperty(key) != null, "configuration has " + key);
        }
        assertEquals(broker, properties.getProperty("brokerIP1") + ":" + properties.getProperty("listenPort"), "address by the configuration and by the name server");
        assertTrue(Node.admin().examineBrokerClusterInfo().getClusterAddrTable().get(Node.cluster()).contains(properties.getProperty("brokerName")), "the cluster names the broker");
    }
}
