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

/** Asking for places: offsets, times, one message by its offset id. */
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
