package ringmq;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

/**
 * Messages that are delivered later. The original keeps timers to the second and may be a second early with them, RingMQ neither:
 * what is asked of both is the second, what is asked of RingMQ alone is said where it is.
 */
@Execution(ExecutionMode.CONCURRENT)
class DelayTest extends ClientTest {
    /** The first three of the default levels. */
    @Test
    void levels() throws Exception {
        String topic = Node.topic(4);
        Inbox inbox = new Inbox();
        push(Node.unique("group"), topic, "*", inbox);
        long[] delays = {1_000, 5_000, 10_000};
        for (int level = 3; level >= 1; level--) {
            Message message = new Message(topic, "Tag" + level, utf8("level-" + level));
            message.setDelayTimeLevel(level);
            message.putUserProperty("mine", "kept");
            SendResult sent = acknowledged(Node.producer().send(message));
            assertEquals(topic, sent.getMessageQueue().getTopic(), "the answer speaks of the real queue");
            assertTrue(sent.getMessageQueue().getQueueId() < 4, "the answer speaks of the real queue: " + sent);
        }
        inbox.holdsExactly(20, List.of("level-1", "level-2", "level-3"));
        assertEquals(List.of("level-1", "level-2", "level-3"), inbox.bodies(), "the order of their times");
        for (MessageExt message : inbox.messages()) {
            int level = message.getDelayTimeLevel();
            long late = message.getStoreTimestamp() - message.getBornTimestamp() - delays[level - 1];
            assertTrue(late >= 0 && late < 3_000, "ms behind the time of level " + level + ": " + late);
            assertEquals("Tag" + level, message.getTags());
            assertEquals("kept", message.getUserProperty("mine"));
            assertEquals(topic, message.getProperty("REAL_TOPIC"));
            assertEquals("" + message.getQueueId(), message.getProperty("REAL_QID"));
            assertEquals(0, message.getReconsumeTimes());
        }
    }

    /** What the original does not promise: the order of sending within one level and queue, whatever else is delayed. */
    @Test
    void oneLevelKeepsTheOrder() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        for (String body : texts("ordered", 100)) {
            Message message = new Message(queue.getTopic(), utf8(body));
            message.setDelayTimeLevel(1);
            acknowledged(Node.producer().send(message, queue));
        }
        assertEquals(texts("ordered", 100), bodies(everythingIn(queue, 100)));
    }

    @Test
    void timers() throws Exception {
        assumeFalse(Node.isBefore5(), "4.x has no timers");
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        acknowledged(Node.producer().send(new Message(queue.getTopic(), utf8("none"))));
        long at = System.currentTimeMillis() + 5_000;
        for (var one : Map.of("TIMER_DELIVER_MS", "" + at, "TIMER_DELAY_MS", "5000", "TIMER_DELAY_SEC", "6").entrySet()) {
            Message message = new Message(queue.getTopic(), utf8(one.getKey()));
            MessageAccessor.putProperty(message, one.getKey(), one.getValue());
            acknowledged(Node.producer().send(message));
        }
        Node.eventually(20, "messages delivered", 4L, () -> Node.producer().maxOffset(queue));
        List<MessageExt> stored = everythingIn(queue, 4);
        assertEquals(4, stored.size(), "messages delivered");
        assertEquals("none", Inbox.text(stored.get(0)), "what does not wait is there at once");
        for (MessageExt message : stored.subList(1, 4)) {
            String name = Inbox.text(message);
            long due = dueOf(name, at, message.getBornTimestamp());
            long late = message.getStoreTimestamp() - due;
            assertTrue(late > -1_000 && late < 4_000, "ms behind the time of " + name + ": " + late);
            if (isRingMq()) assertTrue(late >= 0 && late < 3_000, "ms behind the time of " + name + ": " + late);
            for (String added : List.of("TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS")) assertNotNull(message.getProperty(added), added);
            assertEquals(queue.getTopic(), message.getProperty("REAL_TOPIC"));
            assertEquals("0", message.getProperty("REAL_QID"));
        }
    }

    private static long dueOf(String name, long at, long born) {
        if (name.equals("TIMER_DELIVER_MS")) return at;
        return born + (name.equals("TIMER_DELAY_MS") ? 5_000 : 6_000);
    }

    /** Past, too far, no number, both, and what a batch may not ask for. */
    @Test
    void whatIsAskedWrongly() throws Exception {
        assumeFalse(Node.isBefore5(), "4.x has no timers");
        String topic = Node.topic(1);
        long now = System.currentTimeMillis();
        assertEquals(0, send(topic, "TIMER_DELIVER_MS", "" + (now - 5_000)).getCode(), "a time that is over");
        assertEquals(0, send(topic, "TIMER_DELAY_MS", "0").getCode(), "no time");
        RemotingCommand far = send(topic, "TIMER_DELAY_SEC", "" + (3 * 86_400 + 60));
        assertEquals(13, far.getCode(), far.getRemark());
        assertTrue(far.getRemark().startsWith("timer message illegal, the delay time should not be bigger than the max delay 259200000ms"), far.getRemark());
        assertEquals(13, send(topic, "TIMER_DELAY_SEC", "soon").getCode(), "no number");
        assertEquals(1, send(topic, "DELAY", "soon").getCode(), "no level");
        assertEquals(13, send(topic, "TIMER_DELIVER_MS", "1", "TIMER_DEL_UNIQKEY", topic + "+x").getCode(), "a deletion in the past");
        assertNull(send(topic, "DELAY", "1", "TIMER_DELAY_MS", "60000").getExtFields().get("recallHandle"), "the level wins");
        List<MessageExt> stored = everythingIn(Node.queues(topic).get(0), 3);
        assertEquals(3, stored.size(), "two at once, one after a second");
    }

    @Test
    void recall() throws Exception {
        assumeFalse(Node.isBefore5(), "4.x has no timers");
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        String topic = queue.getTopic(), broker = Node.brokerOf(queue);
        long at = System.currentTimeMillis() + 10_000;
        RemotingCommand kept = send(topic, "TIMER_DELIVER_MS", "" + at, "UNIQ_KEY", "KEPT");
        RemotingCommand sent = send(topic, "TIMER_DELIVER_MS", "" + at, "UNIQ_KEY", "RECALLED");
        send(topic, "TIMER_DELIVER_MS", "" + at, "UNIQ_KEY", "DELETED");
        assertEquals(0, send(topic, "TIMER_DELIVER_MS", "" + at, "UNIQ_KEY", "DELETES", "TIMER_DEL_UNIQKEY", topic + "+DELETED").getCode());
        assertNotNull(kept.getExtFields().get("recallHandle"), "recall handle in " + kept);
        String handle = sent.getExtFields().get("recallHandle");
        String[] parts = new String(Base64.getUrlDecoder().decode(handle), StandardCharsets.UTF_8).split(" ");
        assertEquals(List.of("v1", topic, queue.getBrokerName(), "RECALLED"), List.of(parts[0], parts[1], parts[2], parts[4]));

        RemotingCommand off = Wire.ask(broker, 370, Map.of("topic", topic, "recallHandle", handle), null);
        if (off.getCode() == 16) {
            assertEquals("recall failed, operation is forbidden", off.getRemark());
            Node.admin().updateBrokerConfig(broker, properties("recallMessageEnable", "true"));
        }
        assertEquals("604 recall handle is invalid", recall(broker, topic, "garbage"));
        assertEquals("604 recall handle is invalid", recall(broker, topic, base64("v2 a b 1 c")));
        assertEquals("604 recall failed, topic not match", recall(broker, "TBW102", handle));
        assertEquals("17 recall failed, the topic[nosuch] not exist", recall(broker, "nosuch", handle));
        assertEquals("604 recall failed, broker service not available", recall(broker, topic, base64("v1 " + topic + " other " + at + " x")));
        assertEquals("604 recall failed, timestamp invalid", recall(broker, topic, base64("v1 " + topic + " " + queue.getBrokerName() + " 1 x")));
        RemotingCommand recalled = Wire.ask(broker, 370, Map.of("topic", topic, "recallHandle", handle), null);
        assertEquals(0, recalled.getCode(), recalled.getRemark());
        assertEquals("RECALLED", recalled.getExtFields().get("msgId"));
        assertEquals(0, Wire.ask(broker, 370, Map.of("topic", topic, "recallHandle", handle), null).getCode(), "again is no error");

        Thread.sleep(Math.max(0, at + 2_500 - System.currentTimeMillis()));
        assertEquals(List.of("KEPT"), keys(everythingIn(queue, 1)), "neither what was recalled, nor what was deleted, nor what deleted it");
    }

    /** What mqadmin brokerStatus shows of them, and what slaves and exporters ask. */
    @Test
    void toolsSeeWhatWaits() throws Exception {
        assumeFalse(Node.isBefore5(), "4.x has no timers");
        String topic = Node.topic(1), broker = Node.brokers().get(0);
        Map<String, String> before = Node.admin().fetchBrokerRuntimeStats(broker).getTable();
        send(topic, "DELAY", "18");
        send(topic, "TIMER_DELAY_SEC", "86400");
        Node.eventually(5, "messages of level 18", max(before) + 1, () -> max(Node.admin().fetchBrokerRuntimeStats(broker).getTable()));
        Node.eventually(5, "timers of the topic", true, () -> body(broker, 61).contains("\"" + topic + "\":{\"count\":1,"));
        assertTrue(body(broker, 45).matches("\\{\"dataVersion\":\\{.*},\"offsetTable\":\\{.*18:\\d+.*}}"), body(broker, 45));
        assertEquals(56, Wire.ask(broker, 60, Map.of(), null).getBody().length, "bytes of the check point");
    }

    private static long max(Map<String, String> info) {
        return Long.parseLong(info.getOrDefault("scheduleMessageOffset_18", "0,0").split(",")[1]);
    }

    private static String body(String broker, int code) throws Exception {
        return new String(Wire.ask(broker, code, Map.of(), null).getBody(), StandardCharsets.UTF_8);
    }

    private static boolean isRingMq() throws Exception {
        return Node.admin().getBrokerConfig(Node.brokers().get(0)).containsKey("shardRouting");
    }

    private static java.util.Properties properties(String name, String value) {
        java.util.Properties properties = new java.util.Properties();
        properties.setProperty(name, value);
        return properties;
    }

    private static String base64(String text) { return Base64.getUrlEncoder().encodeToString(utf8(text)); }

    private static String recall(String broker, String topic, String handle) throws Exception {
        RemotingCommand answer = Wire.ask(broker, 370, Map.of("topic", topic, "recallHandle", handle), null);
        return answer.getCode() + " " + answer.getRemark();
    }

    private static List<String> keys(List<MessageExt> messages) {
        return messages.stream().map(m -> m.getProperty("UNIQ_KEY")).collect(java.util.stream.Collectors.toList());
    }

    /** Sent to queue 0 without the client's own ideas about properties. */
    private static RemotingCommand send(String topic, String... properties) throws Exception {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < properties.length; i += 2) text.append(properties[i]).append('\1').append(properties[i + 1]).append('\2');
        Map<String, String> fields = new HashMap<>(Map.of("a", "wire", "b", topic, "c", "TBW102", "d", "4", "e", "0",
            "f", "0", "g", "" + System.currentTimeMillis(), "h", "0", "i", text.toString()));
        return Wire.ask(Node.brokers().get(0), 310, fields, utf8("body"));
    }
}
