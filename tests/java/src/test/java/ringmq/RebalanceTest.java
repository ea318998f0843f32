package ringmq;

import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** Who consumes which queue as members of a group come and go. Quick means: because the broker said so, not at the next 20 s turn. */
class RebalanceTest extends ClientTest {
    private final String group = Node.unique("group");

    @Test
    void twoConsumersShareAndTakeOver() throws Exception {
        String topic = Node.topic(8);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer first = push(group, topic, "*", inbox);
        Node.eventually(10, "queues of the only consumer", 8, () -> owned(first, topic).size());
        DefaultMQPushConsumer second = push(group, topic, "*", inbox);
        Node.eventually(5, "queues of the two consumers", List.of(4, 4), () -> List.of(owned(first, topic).size(), owned(second, topic).size()));
        TreeSet<Integer> all = new TreeSet<>(owned(first, topic));
        all.addAll(owned(second, topic));
        assertEquals(8, all.size(), "queues covered by " + owned(first, topic) + " and " + owned(second, topic));
        send(topic, texts("shared", 80));
        inbox.holdsExactly(15, texts("shared", 80));

        second.shutdown();
        Node.eventually(5, "queues of the one that stays", 8, () -> owned(first, topic).size());
        send(topic, texts("after", 16));
        Node.eventually(10, "messages received after the take-over", texts("after", 16), () ->
            inbox.bodies().stream().filter(b -> b.startsWith("after")).sorted().collect(Collectors.toList()));
    }

    /** A member that says nothing and only breaks its connection: its queues are taken over all the same. */
    @Test
    void aBrokenConnectionLeavesTheGroup() throws Exception {
        String topic = Node.topic(4);
        DefaultMQPushConsumer consumer = push(group, topic, "*", new Inbox());
        Node.eventually(10, "queues of the only consumer", 4, () -> owned(consumer, topic).size());
        String broker = Node.brokerOf(new MessageQueue(topic, Node.queues(topic).get(0).getBrokerName(), 0));
        try (Wire member = new Wire(broker)) {
            var response = member.ask(34, Map.of(), utf8("{\"clientID\":\"zz@member\",\"consumerDataSet\":[{\"consumeFromWhere\":\"CONSUME_FROM_FIRST_OFFSET\","
                + "\"consumeType\":\"CONSUME_PASSIVELY\",\"groupName\":\"" + group + "\",\"messageModel\":\"CLUSTERING\",\"subscriptionDataSet\":["
                + subscription(topic) + "," + subscription("%RETRY%" + group) + "],\"unitMode\":false}],\"producerDataSet\":[]}"));
            assertEquals(0, response.getCode(), "heartbeat: " + response.getRemark());
            Node.eventually(5, "queues left when a second member came", 2, () -> owned(consumer, topic).size());
            String members = new String(member.ask(38, Map.of("consumerGroup", group), null).getBody());
            assertTrue(members.contains("\"zz@member\"") && members.contains("\"" + clientId(consumer) + "\""), "members of the group: " + members);
        }
        Node.eventually(5, "queues after the other's connection broke", 4, () -> owned(consumer, topic).size());
    }

    private static String subscription(String topic) {
        return "{\"classFilterMode\":false,\"codeSet\":[],\"expressionType\":\"TAG\",\"subString\":\"*\",\"subVersion\":1,\"tagsSet\":[],\"topic\":\"" + topic + "\"}";
    }

    private static String clientId(DefaultMQPushConsumer consumer) {
        return consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
    }

    /** The queues of a topic that this consumer holds now. */
    private static TreeSet<Integer> owned(DefaultMQPushConsumer consumer, String topic) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(queue -> queue.getTopic().equals(topic)).map(MessageQueue::getQueueId).collect(Collectors.toCollection(TreeSet::new));
    }
}
