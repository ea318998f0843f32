package ringmq;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.api.parallel.ResourceAccessMode;
import org.junit.jupiter.api.parallel.ResourceLock;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

/**
 * Consumer offsets that an administrator resets, and what an administrator can ask of one running consumer. The tests run beside each
 * other, since each waits for clients most of its time; who resets holds the broker's switch between the two ways of doing it.
 */
@Execution(ExecutionMode.CONCURRENT)
class ResetTest extends ClientTest {
    private static final int QUEUES = 2;
    private static final String WAY = "useServerSideResetOffset";

    @Test
    @Timeout(180)
    @ResourceLock(value = WAY, mode = ResourceAccessMode.READ)
    void byTimeInTheBrokerWhileConsuming() throws Exception { byTimeWhileConsuming(true); }

    @Test
    @Timeout(180)
    @ResourceLock(WAY)
    void byTimeAtTheClientsWhileConsuming() throws Exception { byTimeWhileConsuming(false); }

    /** What was stored after the time comes once more, what was stored before does not, and the offsets end at the end. */
    private void byTimeWhileConsuming(boolean inTheBroker) throws Exception {
        inTheBroker(inTheBroker);
        try {
            String topic = Node.topic(QUEUES), group = Node.unique("group");
            Inbox inbox = new Inbox();
            push(group, topic, "*", inbox);
            sendToEach(topic, "before");
            Thread.sleep(50);
            long time = System.currentTimeMillis();
            Thread.sleep(50);
            sendToEach(topic, "after");
            inbox.holdsExactly(20, concat(texts("before", 20), texts("after", 20)));
            for (MessageQueue queue : Node.queues(topic)) Node.eventually(15, "committed offset of " + queue, 20L, () -> committed(group, queue));

            var targets = Node.admin().resetOffsetByTimestamp(topic, group, time, true);
            assertEquals(QUEUES, targets.size(), "queues that were reset");
            for (var target : targets.entrySet()) assertEquals(10L, target.getValue(), "where " + target.getKey() + " is read from");

            List<String> twice = concat(texts("before", 20), texts("after", 20));
            twice.addAll(texts("after", 20));
            Collections.sort(twice);
            Node.eventually(40, "what came after the time to have come once more", twice, () -> sorted(inbox.bodies()));
            for (MessageQueue queue : Node.queues(topic)) Node.eventually(15, "committed offset of " + queue, 20L, () -> committed(group, queue));
            sendToEach(topic, "later");
            twice.addAll(texts("later", 20));
            Collections.sort(twice);
            Node.eventually(20, "what is sent later to come once", twice, () -> sorted(inbox.bodies()));
        } finally {
            inTheBroker(true);
        }
    }

    /** The broker resets also whoever is not there: the next member begins where it was told. */
    @Test
    @ResourceLock(value = WAY, mode = ResourceAccessMode.READ)
    void whileNobodyConsumes() throws Exception {
        if (Node.isBefore5()) return;
        String topic = Node.topic(QUEUES), group = Node.unique("group");
        sendToEach(topic, "all");
        Inbox first = new Inbox();
        DefaultMQPushConsumer consumer = push(group, topic, "*", first);
        first.holdsExactly(20, texts("all", 20));
        for (MessageQueue queue : Node.queues(topic)) Node.eventually(15, "committed offset of " + queue, 10L, () -> committed(group, queue));
        consumer.shutdown();
        assertEquals(QUEUES, Node.admin().resetOffsetByTimestamp(topic, group, 0, true).size());
        for (MessageQueue queue : Node.queues(topic)) assertEquals(0, committed(group, queue), "offset of " + queue);
        Inbox second = new Inbox();
        push(group, topic, "*", second);
        second.holdsExactly(40, texts("all", 20));
    }

    @Test
    void runningInfoOffsetsAndOneMessageForOneConsumer() throws Exception {
        String topic = Node.topic(QUEUES), group = Node.unique("group");
        List<SendResult> sent = send(topic, texts("m", 20));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = push(group, topic, "*", inbox);
        inbox.holdsExactly(20, texts("m", 20));
        String client = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();

        var info = Node.admin().getConsumerRunningInfo(group, client, false);
        assertEquals(QUEUES, info.getMqTable().keySet().stream().filter(queue -> queue.getTopic().equals(topic)).count(), "queues of the running consumer");
        assertEquals("CONSUME_PASSIVELY", info.getProperties().getProperty("PROP_CONSUME_TYPE"));
        assertTrue(Node.admin().getConsumerRunningInfo(group, client, true).getJstack().contains("TID: "), "its stacks");

        var status = Node.admin().getConsumeStatus(topic, group, client);
        assertEquals(List.of(client), new ArrayList<>(status.keySet()));
        for (MessageQueue queue : Node.queues(topic)) assertEquals(10L, status.get(client).get(queue), "offset of " + queue);

        var result = Node.admin().consumeMessageDirectly(group, client, topic, sent.get(7).getOffsetMsgId());
        assertEquals("CR_SUCCESS", result.getConsumeResult().name());
        List<String> once = texts("m", 20);
        once.add("m-007");
        assertEquals(sorted(once), sorted(inbox.bodies()), "the message came once more");

        MQClientException offline = assertThrows(MQClientException.class, () -> Node.admin().getConsumerRunningInfo(group, "nobody", false));
        assertTrue(offline.getMessage().contains("The Consumer <" + group + "> <nobody> not online"), offline::getMessage);
    }

    @Test
    void cloned() throws Exception {
        String topic = Node.topic(QUEUES), source = Node.unique("group"), target = Node.unique("group");
        sendToEach(topic, "m");
        Inbox inbox = new Inbox();
        push(source, topic, "*", inbox);
        inbox.holdsExactly(20, texts("m", 20));
        for (MessageQueue queue : Node.queues(topic)) Node.eventually(15, "committed offset of " + queue, 10L, () -> committed(source, queue));
        Node.admin().cloneGroupOffset(source, target, topic, true);
        for (MessageQueue queue : Node.queues(topic)) assertEquals(10, committed(target, queue), "offset of " + queue);
    }

    @Test
    @ResourceLock(value = WAY, mode = ResourceAccessMode.READ)
    void unknownTopicsAndGroups() throws Exception {
        if (Node.isBefore5()) return;
        String topic = Node.topic(QUEUES);
        var unknown = Wire.ask(Node.brokers().get(0), 222, java.util.Map.of("topic", topic, "group", Node.unique("nobody"), "timestamp", "0", "isForce", "true"), null);
        assertEquals(26, unknown.getCode(), unknown::getRemark);
        var none = Wire.ask(Node.brokers().get(0), 222, java.util.Map.of("topic", Node.unique("none"), "group", "g", "timestamp", "0", "isForce", "true"), null);
        assertEquals(17, none.getCode(), none::getRemark);
    }

    /** 4.9 knows only the clients' way. */
    private static void inTheBroker(boolean inTheBroker) throws Exception {
        if (Node.isBefore5()) return;
        Properties change = new Properties();
        change.setProperty(WAY, "" + inTheBroker);
        for (String broker : Node.brokers()) Node.admin().updateBrokerConfig(broker, change);
    }

    /** Ten to each queue. */
    private static void sendToEach(String topic, String what) throws Exception {
        List<String> bodies = texts(what, 10 * QUEUES);
        for (MessageQueue queue : Node.queues(topic)) sendTo(queue, bodies.subList(10 * queue.getQueueId(), 10 * queue.getQueueId() + 10));
    }

    private static List<String> sorted(List<String> texts) {
        List<String> sorted = new ArrayList<>(texts);
        Collections.sort(sorted);
        return sorted;
    }

    private static List<String> concat(List<String> one, List<String> two) {
        List<String> all = new ArrayList<>(one);
        all.addAll(two);
        return all;
    }
}
