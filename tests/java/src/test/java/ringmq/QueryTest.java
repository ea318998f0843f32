package ringmq;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

/** Asking for places: offsets, times, messages by their keys, one message by its offset id or its unique id. */
class QueryTest extends ClientTest {
    @Test
    void offsetsAndTimes() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        var producer = Node.producer();
        assertEquals(List.of(0L, 0L, -1L, 0L), List.of(producer.maxOffset(queue), producer.minOffset(queue), producer.earliestMsgStoreTime(queue), producer.searchOffset(queue, System.currentTimeMillis())),
            "max, min, earliest time and search in an empty queue");
        for (String body : texts("message", 8)) {
            sendTo(queue, List.of(body));
            Thread.sleep(15);
        }
        List<MessageExt> stored = everythingIn(queue, 8);
        assertEquals(8, producer.maxOffset(queue), "max offset");
        assertEquals(0, producer.minOffset(queue), "min offset");
        assertEquals(stored.get(0).getStoreTimestamp(), producer.earliestMsgStoreTime(queue), "earliest store time");
        List<Long> at = new ArrayList<>(), justAfter = new ArrayList<>();
        for (MessageExt message : stored) {
            at.add(producer.searchOffset(queue, message.getStoreTimestamp()));
            justAfter.add(producer.searchOffset(queue, message.getStoreTimestamp() + 1));
        }
        assertEquals(List.of(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L), at, "offset at each store time");
        // 4.9 answers the message before, 5.x the place of the next one
        assertEquals(Node.isBefore5() ? at : List.of(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L), justAfter, "offset one millisecond after each store time");
        assertEquals(0, producer.searchOffset(queue, 0), "offset at the beginning of time");
    }

    @Test
    void viewByOffsetId() throws Exception {
        String topic = Node.topic(2);
        for (SendResult sent : send(topic, "Tag", texts("view", 4))) {
            MessageExt message = Node.producer().viewMessage(topic, sent.getOffsetMsgId());
            assertEquals(sent.getQueueOffset(), message.getQueueOffset());
            assertEquals(sent.getMessageQueue().getQueueId(), message.getQueueId());
            assertEquals(sent.getMsgId(), message.getMsgId());
            assertEquals("Tag", message.getTags());
        }
    }

    /** Apache's broker fills its index behind the sends; so both are given a while for it. */
    @Test
    void byKey() throws Exception {
        String topic = Node.topic(3), other = Node.topic(1), common = Node.unique("common"), own = Node.unique("own");
        long begin = System.currentTimeMillis() - 2_000; // Apache's index knows times by the second, rounded down
        acknowledged(Node.producer().send(new Message(other, "Tag", common, utf8("of another topic"))));
        for (int i = 0; i < 6; i++) acknowledged(Node.producer().send(new Message(topic, "Tag", common + " " + own + i, utf8("keyed-" + i))));
        Node.eventually(10, "messages of a key", List.of("keyed-0", "keyed-1", "keyed-2", "keyed-3", "keyed-4", "keyed-5"), () -> ofKey(topic, common, 32, begin));
        assertEquals(List.of("keyed-3"), ofKey(topic, own + 3, 32, begin));
        assertEquals(2, ofKey(topic, common, 2, begin).size(), "messages when two are asked for");
        for (String unknown : List.of(own, common + " " + own + 1)) {
            MQClientException none = assertThrows(MQClientException.class, () -> ofKey(topic, unknown, 32, begin), () -> "messages of " + unknown);
            assertEquals(208, none.getResponseCode(), "NO_MESSAGE: " + none.getMessage());
        }
        MQClientException later = assertThrows(MQClientException.class, () -> ofKey(topic, common, 32, begin + 3_600_000), "messages of a later time");
        assertEquals(208, later.getResponseCode(), "NO_MESSAGE: " + later.getMessage());
    }

    private static List<String> ofKey(String topic, String key, int max, long begin) throws Exception {
        List<String> bodies = new ArrayList<>(ClientTest.bodies(Node.producer().queryMessage(topic, key, max, begin, begin + 7_200_000).getMessageList()));
        bodies.sort(null);
        return bodies;
    }

    /** The id that the client gave the message; what it finds is the message, wherever it is. */
    @Test
    void byUniqueId() throws Exception {
        String topic = Node.topic(2);
        for (SendResult sent : send(topic, "Tag", texts("unique", 4))) {
            Node.eventually(10, "queue and offset of the message of " + sent, sent.getMessageQueue().getQueueId() + "@" + sent.getQueueOffset(), () -> {
                MessageExt found = Node.producer().viewMessage(topic, sent.getMsgId());
                return found.getQueueId() + "@" + found.getQueueOffset();
            });
        }
    }

    /** Offsets that point into a record, or past the end of the log. */
    @Test
    void viewOfAPlaceWithoutARecord() throws Exception {
        SendResult sent = send(Node.topic(1), List.of("somewhere")).get(0);
        String broker = Node.brokerOf(sent.getMessageQueue());
        long offset = Long.parseUnsignedLong(sent.getOffsetMsgId().substring(16), 16);
        assertEquals(0, view(broker, offset), "code for the right offset");
        for (long wrong : new long[] {offset + 7, offset + (1L << 40), -1}) assertEquals(1, view(broker, wrong), "code for offset " + wrong + ", the record is at " + offset);
    }

    private static int view(String broker, long offset) throws Exception {
        return Wire.ask(broker, 33, java.util.Map.of("offset", "" + offset), null).getCode();
    }

    @Test
    void routes() throws Exception {
        String topic = Node.topic(4, 3, 6);
        List<Integer> ids = new ArrayList<>();
        for (MessageQueue queue : Node.queues(topic)) ids.add(queue.getQueueId());
        assertEquals(List.of(0, 1, 2), ids, "queues to publish to: the write queues");
        assertEquals(4, pull(Node.unique("group")).fetchSubscribeMessageQueues(topic).size(), "queues to subscribe to: the read queues");
        String unknown = Node.unique("nobody-made-this");
        assertThrows(MQClientException.class, () -> Node.producer().fetchPublishMessageQueues(unknown), "a topic without a route");
        MQClientException none = assertThrows(MQClientException.class, () -> Node.admin().examineTopicRouteInfo(unknown));
        assertEquals(17, none.getResponseCode(), "TOPIC_NOT_EXIST: " + none.getMessage());
    }
}
