package ringmq;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

/** Ordered consuming: one owner per queue at any time, held by locks that the broker gives out. */
class OrderlyTest extends ClientTest {
    /** A consumer comes and goes while messages flow: each queue's messages stay in order, and none is handled by two at once. */
    @Test
    void orderHoldsWhileConsumersComeAndGo() throws Exception {
        String topic = Node.topic(4), group = Node.unique("group");
        Map<Integer, Object> handling = new ConcurrentHashMap<>();
        ConcurrentLinkedQueue<String> overlaps = new ConcurrentLinkedQueue<>();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer first = orderly(group, topic, inbox, handling, overlaps);
        for (int round = 0; round < 30; round++) {
            sendRound(topic, round);
            if (round == 10) orderly(group, topic, inbox, handling, overlaps);
            if (round == 20) first.shutdown();
        }
        // 4.9 asks for a lock that was refused again only with its next rebalance, 20 s later
        Node.eventually(45, "messages received", 30L * 8, () -> inbox.messages().stream().map(Inbox::text).distinct().count());
        assertEquals(List.of(), new ArrayList<>(overlaps), "queues handled by two listeners at once");

        TreeMap<Integer, List<Long>> seen = new TreeMap<>(), sorted = new TreeMap<>();
        for (MessageExt message : inbox.messages()) seen.computeIfAbsent(message.getQueueId(), q -> new ArrayList<>()).add(message.getQueueOffset());
        // A queue that changes hands may repeat what was not yet committed, but never leaves one out or swaps two.
        seen.replaceAll((queue, offsets) -> offsets.stream().distinct().collect(Collectors.toList()));
        seen.forEach((queue, offsets) -> sorted.put(queue, offsets.stream().sorted().collect(Collectors.toList())));
        assertEquals(sorted, seen, "offsets in the order of consuming, by queue");
    }

    private static void sendRound(String topic, int round) throws Exception {
        for (int order = 0; order < 8; order++) {
            Node.producer().send(new Message(topic, utf8(order + ":" + round)), (queues, message, key) -> queues.get((Integer) key % queues.size()), order);
        }
        Thread.sleep(20);
    }

    private DefaultMQPushConsumer orderly(String group, String topic, Inbox inbox, Map<Integer, Object> handling, ConcurrentLinkedQueue<String> overlaps) throws Exception {
        DefaultMQPushConsumer consumer = push(group, topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
            int queue = context.getMessageQueue().getQueueId();
            Object other = handling.putIfAbsent(queue, consumer);
            if (other != null) overlaps.add("queue " + queue);
            inbox.add(batch);
            handling.remove(queue, consumer);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        // without it a shutdown gives the locks back while a listener may still be at work
        consumer.setAwaitTerminationMillisWhenShutdown(5000);
        consumer.start();
        return consumer;
    }

    /** A second consumer gets half of the queues handed over, and all when the first one leaves; no queue is ever handled by both. */
    @Test
    void locksAreHandedOver() throws Exception {
        String topic = Node.topic(4), group = Node.unique("group");
        Map<Integer, Object> handling = new ConcurrentHashMap<>();
        ConcurrentLinkedQueue<String> overlaps = new ConcurrentLinkedQueue<>();
        Inbox firstInbox = new Inbox(), secondInbox = new Inbox();
        DefaultMQPushConsumer first = orderly(group, topic, firstInbox, handling, overlaps);
        sendRound(topic, 0);
        Node.eventually(15, "queues of the only consumer", 4L, () -> queuesSince(firstInbox, 0));
        orderly(group, topic, secondInbox, handling, overlaps);
        // 4.9 asks for a lock that was refused again only with its next rebalance, 20 s later
        int[] round = {0};
        Node.eventually(45, "queues of the second consumer", 2L, () -> {
            sendRound(topic, ++round[0]);
            return queuesSince(secondInbox, 0);
        });
        int seen = firstInbox.messages().size();
        sendRound(topic, ++round[0]);
        Node.eventually(15, "messages received", (round[0] + 1) * 8L, () -> received(firstInbox, secondInbox));
        assertEquals(2L, queuesSince(firstInbox, seen), "queues that the first one has kept");
        first.shutdown();
        int before = secondInbox.messages().size();
        sendRound(topic, ++round[0]);
        Node.eventually(45, "messages received", (round[0] + 1) * 8L, () -> received(firstInbox, secondInbox));
        assertEquals(4L, queuesSince(secondInbox, before), "queues of the one who is left");
        assertEquals(List.of(), new ArrayList<>(overlaps), "queues handled by two listeners at once");
    }

    private static long queuesSince(Inbox inbox, int seen) {
        return inbox.messages().stream().skip(seen).map(MessageExt::getQueueId).distinct().count();
    }

    private static long received(Inbox... inboxes) {
        return java.util.Arrays.stream(inboxes).flatMap(inbox -> inbox.bodies().stream()).distinct().count();
    }

    /** What a consumer has locked nobody else gets, until it leaves. */
    @Test
    void locksAreExclusiveAndGoWithTheirOwner() throws Exception {
        String topic = Node.topic(2), group = Node.unique("group");
        send(topic, texts("message", 10));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = push(group, topic, "*");
        consumer.registerMessageListener(inbox.orderly());
        consumer.start();
        inbox.holdsExactly(15, texts("message", 10));
        MessageQueue queue = Node.queues(topic).get(0);
        assertFalse(lock("an-intruder", group, queue), "an intruder got the lock of a queue that is being consumed");
        consumer.shutdown();
        Node.eventually(5, "another client to get the lock after its owner left", true, () -> lock("an-heir", group, queue));
        assertFalse(lock("an-intruder", group, queue), "an intruder got a lock held by another client");
        Wire.ask(Node.brokerOf(queue), 42, Map.of(), lockBody("an-heir", group, queue));
        assertEquals(true, lock("an-intruder", group, queue), "the lock is free once its owner has given it back");
    }

    private static boolean lock(String client, String group, MessageQueue queue) throws Exception {
        var response = Wire.ask(Node.brokerOf(queue), 41, Map.of(), lockBody(client, group, queue));
        assertEquals(0, response.getCode(), response.getRemark());
        return new String(response.getBody()).contains("\"queueId\":" + queue.getQueueId());
    }

    private static byte[] lockBody(String client, String group, MessageQueue queue) {
        return utf8(String.format("{\"clientId\":\"%s\",\"consumerGroup\":\"%s\",\"mqSet\":[{\"brokerName\":\"%s\",\"queueId\":%d,\"topic\":\"%s\"}],\"onlyThisBroker\":false}",
            client, group, queue.getBrokerName(), queue.getQueueId(), queue.getTopic()));
    }
}
