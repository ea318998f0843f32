package ringmq;

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** Every way in which a stock producer sends. */
class SendTest extends ClientTest {
    private static final boolean CLIENT_IS_BEFORE_5 = MQVersion.CURRENT_VERSION < MQVersion.Version.V5_0_0.ordinal();

    /**
     * A producer's route may be older than the topic's new size. One of 4.x tries another queue after the code that brokers of
     * 4.x answer, and RingMQ to it; after 29, which Apache's brokers of 5.x answer to everybody, any producer gives up.
     */
    @Test
    void toATopicThatBecameSmaller() throws Exception {
        String topic = Node.topic(2);
        send(topic, texts("before", 2));
        Node.putTopic(topic, 1, 1, 6);
        if (CLIENT_IS_BEFORE_5) {
            for (SendResult result : send(topic, texts("after", 4))) assertEquals(0, result.getMessageQueue().getQueueId());
        } else {
            MQBrokerException refused = assertThrows(MQBrokerException.class, () -> send(topic, texts("after", 4)));
            assertEquals(29, refused.getResponseCode(), refused::getErrorMessage);
        }
    }

    @Test
    void synchronous() throws Exception {
        String topic = Node.topic(4);
        TreeMap<Integer, List<Long>> offsets = new TreeMap<>();
        Set<String> ids = new HashSet<>();
        for (SendResult result : send(topic, texts("sync", 40))) {
            offsets.computeIfAbsent(result.getMessageQueue().getQueueId(), q -> new ArrayList<>()).add(result.getQueueOffset());
            ids.add(result.getOffsetMsgId());
            var id = MessageDecoder.decodeMessageId(result.getOffsetMsgId());
            InetSocketAddress home = (InetSocketAddress) id.getAddress();
            assertEquals(Node.brokerOf(result.getMessageQueue()), home.getHostString() + ":" + home.getPort(), "broker in the offset id");
        }
        List<Long> dense = LongStream.range(0, 10).boxed().collect(Collectors.toList());
        assertEquals(Map.of(0, dense, 1, dense, 2, dense, 3, dense), offsets, "queue offsets handed out, by queue");
        assertEquals(40, ids.size(), "distinct offset ids");
    }

    @Test
    void asynchronous() throws Exception {
        String topic = Node.topic(4);
        List<CompletableFuture<SendResult>> pending = new ArrayList<>();
        for (String body : texts("async", 200)) {
            CompletableFuture<SendResult> result = new CompletableFuture<>();
            pending.add(result);
            Node.producer().send(new Message(topic, utf8(body)), new SendCallback() {
                @Override public void onSuccess(SendResult r) { result.complete(r); }
                @Override public void onException(Throwable e) { result.completeExceptionally(e); }
            });
        }
        Set<String> places = new HashSet<>();
        for (CompletableFuture<SendResult> result : pending) {
            SendResult r = acknowledged(result.get(10, TimeUnit.SECONDS));
            places.add(r.getMessageQueue().getQueueId() + "@" + r.getQueueOffset());
        }
        assertEquals(200, places.size(), "distinct (queue, offset) pairs");
        List<String> stored = new ArrayList<>();
        for (MessageQueue queue : Node.queues(topic)) stored.addAll(bodies(everythingIn(queue, 50)));
        assertEquals(texts("async", 200), stored.stream().sorted().collect(Collectors.toList()), "stored bodies");
    }

    @Test
    void oneWay() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        for (String body : texts("oneway", 30)) Node.producer().sendOneway(new Message(queue.getTopic(), utf8(body)));
        Node.eventually(5, "max offset after 30 one-way sends", 30L, () -> Node.producer().maxOffset(queue));
        assertEquals(texts("oneway", 30), bodies(everythingIn(queue, 30)).stream().sorted().collect(Collectors.toList()));
    }

    @Test
    void batch() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(2)).get(1);
        acknowledged(Node.producer().send(new Message(queue.getTopic(), utf8("before")), queue));
        List<Message> batch = new ArrayList<>();
        for (String body : texts("batch", 20)) batch.add(new Message(queue.getTopic(), "T", "key-" + body, utf8(body)));
        SendResult result = acknowledged(Node.producer().send(batch, queue));
        acknowledged(Node.producer().send(new Message(queue.getTopic(), utf8("after")), queue));
        assertEquals(1, result.getQueueOffset(), "queue offset of the batch's first message");
        assertEquals(20, result.getOffsetMsgId().split(",").length, "offset ids in " + result.getOffsetMsgId());

        List<MessageExt> stored = everythingIn(queue, 22);
        List<String> expected = new ArrayList<>(List.of("before"));
        expected.addAll(texts("batch", 20));
        expected.add("after");
        assertEquals(expected, bodies(stored));
        for (int i = 0; i < stored.size(); i++) assertEquals(i, stored.get(i).getQueueOffset(), "queue offset of message " + i);
        List<MessageExt> inner = stored.subList(1, 21);
        assertEquals(batch.stream().map(Message::getKeys).collect(Collectors.toList()), inner.stream().map(MessageExt::getKeys).collect(Collectors.toList()));
        assertEquals(20, new HashSet<>(List.of(result.getMsgId().split(","))).size(), "unique ids in the result");
        // What unique ids the stored messages have is not asked: Apache 5.3.3 gives all of them the id of the batch's envelope.
    }

    /** Too much for one message is cut into batches that are small enough, as the original's ListSplitter does it. */
    @Test
    void splitIntoBatches() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        List<Message> all = new ArrayList<>();
        for (String body : texts("split", 600)) all.add(new Message(queue.getTopic(), "Tag", utf8(body + "x".repeat(10_000))));
        MQClientException whole = assertThrows(MQClientException.class, () -> Node.producer().send(all, queue), "6 MB in one batch");
        assertEquals(13, whole.getResponseCode(), "MESSAGE_ILLEGAL: " + whole.getMessage());
        int batches = 0, next = 0;
        while (next < all.size()) {
            int end = next, size = 0;
            // 20 bytes are the head of each message within a batch
            while (end < all.size() && size + all.get(end).getBody().length + 20 <= 1_000_000) size += all.get(end++).getBody().length + 20;
            assertEquals(next, acknowledged(Node.producer().send(new ArrayList<>(all.subList(next, end)), queue)).getQueueOffset(), "offset of batch " + batches);
            next = end;
            batches++;
        }
        assertEquals(7, batches, "batches of at most a million bytes");
        List<MessageExt> stored = everythingIn(queue, 600);
        assertEquals(texts("split", 600), bodies(stored).stream().map(body -> body.substring(0, 9)).collect(Collectors.toList()));
        for (MessageExt message : stored) assertEquals(10_009, message.getBody().length, "length of " + message);
    }

    @Test
    void orderedBySelector() throws Exception {
        String topic = Node.topic(4);
        for (int step = 0; step < 12; step++) {
            for (int order = 0; order < 8; order++) {
                acknowledged(Node.producer().send(new Message(topic, utf8(String.format("order-%d step-%02d", order, step))),
                    (queues, message, key) -> queues.get((Integer) key % queues.size()), order));
            }
        }
        for (MessageQueue queue : Node.queues(topic)) {
            List<String> expected = new ArrayList<>();
            for (int step = 0; step < 12; step++) {
                for (int order = queue.getQueueId(); order < 8; order += 4) expected.add(String.format("order-%d step-%02d", order, step));
            }
            assertEquals(expected, bodies(everythingIn(queue, expected.size())), "order within " + queue);
        }
    }

    @Test
    void everyPartOfAMessageComesBack() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        Message message = new Message(queue.getTopic(), "标签", "key1 ключ2", 0x7A5A5A5A, utf8("Grüße, 世界, 🦀\n\0\u0001\u0002"), true);
        message.putUserProperty("größe", "大きい 🦀");
        message.putUserProperty("padded", " x ");
        message.putUserProperty("json", "{\"a\":[1,\"\\\\\"]}");
        message.putUserProperty("long", "x".repeat(20_000));
        message.setBuyerId("buyer");
        long before = System.currentTimeMillis();
        SendResult result = acknowledged(Node.producer().send(message));
        long after = System.currentTimeMillis();

        MessageExt stored = everythingIn(queue, 1).get(0);
        assertArrayEquals(message.getBody(), stored.getBody(), "body");
        assertEquals(queue.getTopic(), stored.getTopic());
        assertEquals("标签", stored.getTags());
        assertEquals("key1 ключ2", stored.getKeys());
        assertEquals(0x7A5A5A5A, stored.getFlag());
        assertEquals("buyer", stored.getBuyerId());
        for (String name : List.of("größe", "padded", "json", "long")) {
            assertEquals(message.getUserProperty(name), stored.getUserProperty(name), "property " + name);
        }
        assertEquals(result.getMsgId(), stored.getMsgId(), "unique id");
        assertEquals(0, stored.getQueueOffset());
        assertEquals(0, stored.getReconsumeTimes());
        assertEquals(0, stored.getPreparedTransactionOffset());
        assertTrue(before <= stored.getBornTimestamp() && stored.getBornTimestamp() <= after, "born " + stored.getBornTimestamp() + " within " + before + ".." + after);
        assertTrue(before <= stored.getStoreTimestamp() && stored.getStoreTimestamp() <= after, "stored " + stored.getStoreTimestamp() + " within " + before + ".." + after);
        InetSocketAddress born = (InetSocketAddress) stored.getBornHost();
        assertTrue(born.getAddress().isLoopbackAddress() || !born.getAddress().isAnyLocalAddress(), "born host " + born);
        assertEquals(Node.brokerOf(queue), stored.getStoreHost().toString().replaceFirst("^.*/", ""), "store host");
        assertEquals(MessageDecoder.decodeMessageId(result.getOffsetMsgId()).getOffset(), stored.getCommitLogOffset(), "physical offset");
    }

    @Test
    void compressedByTheClient() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        byte[] body = utf8("compress me, ".repeat(20_000));
        acknowledged(Node.producer().send(new Message(queue.getTopic(), body.clone())));
        MessageExt stored = everythingIn(queue, 1).get(0);
        assertArrayEquals(body, stored.getBody(), "body after decompression");
        assertTrue(stored.getStoreSize() < body.length / 10, "stored size " + stored.getStoreSize() + " of a body of " + body.length);
    }

    /** 4 MiB is what the original takes; the client's own limit is raised so that the broker is the one that answers. */
    @Test
    void sizeLimit() throws Exception {
        DefaultMQProducer producer = Node.newProducer();
        producer.setMaxMessageSize(16 << 20);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.setSendMsgTimeout(10_000);
        started(producer);
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        byte[] largest = new byte[4 << 20];
        new Random(1).nextBytes(largest);
        acknowledged(producer.send(new Message(queue.getTopic(), largest)));
        for (int size : new int[] {largest.length + 1, 6 << 20}) {
            MQBrokerException refused = assertThrows(MQBrokerException.class, () -> producer.send(new Message(queue.getTopic(), new byte[size])));
            assertEquals(13, refused.getResponseCode(), "MESSAGE_ILLEGAL for a body of " + size + ", got: " + refused.getMessage());
            assertTrue(refused.getErrorMessage().startsWith("the message is illegal, maybe msg body or properties length not matched."), refused.getErrorMessage());
        }
        acknowledged(producer.send(new Message(queue.getTopic(), utf8("still served"))));
        List<MessageExt> stored = everythingIn(queue, 2);
        assertEquals(2, stored.size(), "messages stored");
        assertTrue(Arrays.equals(largest, stored.get(0).getBody()), "the largest body came back whole");
    }

    @Test
    void unknownTopicIsCreated() throws Exception {
        String topic = Node.unique("created-by-sending");
        SendResult result = acknowledged(Node.producer().send(new Message(topic, utf8("first"))));
        Node.eventually(5, "queues of the new topic, by its route", new TreeSet<>(Set.of(0, 1, 2, 3)), () ->
            Node.queues(topic).stream().filter(q -> q.getBrokerName().equals(result.getMessageQueue().getBrokerName()))
                .map(MessageQueue::getQueueId).collect(Collectors.toCollection(TreeSet::new)));
        assertEquals(List.of("first"), bodies(everythingIn(result.getMessageQueue(), 1)));
    }

    /** The client refuses such names itself, so they are sent without it. */
    @Test
    void illegalTopics() throws Exception {
        int invalid = Node.isBefore5() ? 1 : 29;
        Map<String, Integer> expected = new TreeMap<>(Map.of(
            " ", invalid, "a b", invalid, "../../etc/passwd", invalid, "topic*", invalid, "主题", invalid, "x".repeat(128), invalid,
            "SCHEDULE_TOPIC_XXXX", 16, "RMQ_SYS_TRANS_HALF_TOPIC", 16));
        Map<String, Integer> answered = new TreeMap<>();
        for (String topic : expected.keySet()) answered.put(topic, sendOnTheWire(topic, 0).getCode());
        assertEquals(expected, answered, "response code by topic");
        assertEquals("Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden.", sendOnTheWire("SCHEDULE_TOPIC_XXXX", 0).getRemark());
    }

    @Test
    void queueOutOfRange() throws Exception {
        String topic = Node.topic(2);
        assertEquals(0, sendOnTheWire(topic, 1).getCode(), "code for the last queue");
        var refused = sendOnTheWire(topic, 2);
        // RingMQ answers a client of 4.x as brokers of 4.x do, Apache's 5.x does not.
        List<Integer> codes = Node.isBefore5() ? List.of(1) : CLIENT_IS_BEFORE_5 ? List.of(1, 29) : List.of(29);
        assertTrue(codes.contains(refused.getCode()), refused::toString);
        assertTrue(refused.getRemark().startsWith("request queueId[2] is illegal"), refused.getRemark());
        assertNotEquals(null, sendOnTheWire(topic, -1).getExtFields().get("queueId"), "a queue below zero lets the broker choose");
    }

    private static org.apache.rocketmq.remoting.protocol.RemotingCommand sendOnTheWire(String topic, int queue) throws Exception {
        return Wire.ask(Node.brokers().get(0), 310, Map.of("a", "wire", "b", topic, "c", "TBW102", "d", "4", "e", "" + queue,
            "f", "0", "g", "" + System.currentTimeMillis(), "h", "0", "i", ""), utf8("body"));
    }
}
