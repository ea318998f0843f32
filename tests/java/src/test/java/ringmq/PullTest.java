package ringmq;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** DefaultMQPullConsumer: one pull, one answer. */
class PullTest extends ClientTest {
    @Test
    void statusesAndOffsets() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        DefaultMQPullConsumer consumer = pull(Node.unique("group"));
        expect("an empty queue", consumer.pull(queue, "*", 0, 32), PullStatus.NO_NEW_MSG, 0, 0, 0);
        sendTo(queue, texts("message", 40));
        everythingIn(queue, 40);
        assertEquals(new HashSet<>(List.of(queue)), consumer.fetchSubscribeMessageQueues(queue.getTopic()), "queues of the topic");

        PullResult found = consumer.pull(queue, "*", 3, 8);
        expect("from offset 3, at most 8", found, PullStatus.FOUND, 11, 0, 40);
        assertEquals(texts("message", 40).subList(3, 11), bodies(found.getMsgFoundList()));
        expect("at the end", consumer.pull(queue, "*", 40, 8), PullStatus.NO_NEW_MSG, 40, 0, 40);
        expect("beyond the end", consumer.pull(queue, "*", 41, 8), PullStatus.OFFSET_ILLEGAL, 40, 0, 40);
        expect("far beyond the end", consumer.pull(queue, "*", 1_000_000, 8), PullStatus.OFFSET_ILLEGAL, 40, 0, 40);
        expect("nothing with this tag", consumer.pull(queue, "Nobody", 0, 8), PullStatus.NO_MATCHED_MSG, 40, 0, 40);
    }

    private static void expect(String what, PullResult result, PullStatus status, long next, long min, long max) {
        assertEquals(List.of(status, next, min, max), List.of(result.getPullStatus(), result.getNextBeginOffset(), result.getMinOffset(), result.getMaxOffset()),
            "status, next, min and max offset of a pull: " + what);
    }

    @Test
    void filteredByTag() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        for (int i = 0; i < 10; i++) send(queue.getTopic(), i % 2 == 0 ? "Aa" : "BB", List.of("message " + i));
        everythingIn(queue, 10);
        PullResult found = pull(Node.unique("group")).pull(queue, "BB || C", 0, 32);
        expect("every other message matches", found, PullStatus.FOUND, 10, 0, 10);
        assertEquals(List.of("message 1", "message 3", "message 5", "message 7", "message 9"), bodies(found.getMsgFoundList()));
    }

    @Test
    void heldUntilAMessageComes() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        DefaultMQPullConsumer consumer = pull(Node.unique("group"));
        CompletableFuture<PullResult> held = CompletableFuture.supplyAsync(() -> {
            try { return consumer.pullBlockIfNotFound(queue, "*", 0, 32); } catch (Exception e) { throw new IllegalStateException(e); }
        });
        Thread.sleep(500);
        assertTrue(!held.isDone(), "a pull with nothing to return is held");
        long sent = System.nanoTime();
        sendTo(queue, List.of("at last"));
        PullResult result = held.get(5, TimeUnit.SECONDS);
        long ms = (System.nanoTime() - sent) / 1_000_000;
        expect("held", result, PullStatus.FOUND, 1, 0, 1);
        assertTrue(ms < 3000, "ms from sending to the held pull's answer, below 3000, the sweep comes every 5000: " + ms);
    }

    /** Topic permission 2 is write-only, and the answer to a pull says so; nobody pulls a queue that does not exist. */
    @Test
    void refusals() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        DefaultMQPullConsumer consumer = pull(Node.unique("group"));
        MQBrokerException refused = assertThrows(MQBrokerException.class,
            () -> consumer.pull(new MessageQueue(queue.getTopic(), queue.getBrokerName(), 1), "*", 0, 1));
        assertEquals(Node.isBefore5() ? 1 : 29, refused.getResponseCode(), refused.getMessage());
        Node.putTopic(queue.getTopic(), 1, 1, 2);
        refused = assertThrows(MQBrokerException.class, () -> consumer.pull(queue, "*", 0, 1));
        assertEquals(16, refused.getResponseCode(), refused.getMessage());
        assertEquals("the topic[" + queue.getTopic() + "] pulling message is forbidden", refused.getErrorMessage());
    }

    @Test
    void consumerOffsets() throws Exception {
        MessageQueue queue = Node.queues(Node.topic(1)).get(0);
        String group = Node.unique("group");
        sendTo(queue, texts("message", 10));
        DefaultMQPullConsumer consumer = pull(group);
        // 5.x takes no offset of a group that it does not know, and knows this one from its first pull
        consumer.pull(queue, "*", 0, 1);
        assertEquals(0, consumer.fetchConsumeOffset(queue, true), "of a group that never committed, on a young queue");
        for (long offset : new long[] {7, 3}) {
            consumer.updateConsumeOffset(queue, offset);
            consumer.getOffsetStore().persistAll(Set.of(queue));
            Node.eventually(5, "committed offset, a lower one after a higher one too", offset, () -> consumer.fetchConsumeOffset(queue, true));
        }
        consumer.shutdown();
        assertEquals(3, pull(group).fetchConsumeOffset(queue, true), "as another client of the group sees it");
    }
}
