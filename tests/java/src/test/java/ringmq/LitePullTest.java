package ringmq;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;

/** DefaultLitePullConsumer, with queues given by rebalancing (subscribe) and taken by hand (assign, seek). */
class LitePullTest extends ClientTest {
    @Test
    void subscribeAndRestart() throws Exception {
        String topic = Node.topic(4), group = Node.unique("group");
        List<SendResult> wanted = send(topic, "A", texts("first", 30));
        send(topic, "B", texts("other", 30));
        DefaultLitePullConsumer consumer = litePull(group);
        consumer.subscribe(topic, "A");
        consumer.start();
        assertEquals(texts("first", 30), poll(consumer, 30));
        consumer.commitSync();
        consumer.shutdown();
        // the offsets go to the broker one-way as the consumer leaves
        for (SendResult last : wanted.subList(26, 30)) {
            Node.eventually(5, "committed offset to be behind " + last, true, () -> committed(group, last.getMessageQueue()) > last.getQueueOffset());
        }

        send(topic, "A", texts("second", 10));
        DefaultLitePullConsumer again = litePull(group);
        again.subscribe(topic, "A");
        again.start();
        assertEquals(texts("second", 10), poll(again, 10));
    }

    @Test
    void assignAndSeek() throws Exception {
        String topic = Node.topic(2);
        MessageQueue zero = Node.queues(topic).get(0), one = Node.queues(topic).get(1);
        sendTo(zero, texts("zero", 20));
        sendTo(one, texts("one", 5));
        DefaultLitePullConsumer consumer = litePull(Node.unique("group"));
        consumer.setAutoCommit(false);
        consumer.start();
        assertEquals(Set.of(zero, one), new HashSet<>(consumer.fetchMessageQueues(topic)), "queues of the topic");
        consumer.assign(List.of(zero, one));
        TreeSet<String> expected = new TreeSet<>(texts("zero", 20));
        expected.addAll(texts("one", 5));
        assertEquals(new ArrayList<>(expected), poll(consumer, 25));
        // Only now: the stock client still delivers a pull that was under way when it was told to seek.
        consumer.seek(zero, 15);
        assertEquals(texts("zero", 20).subList(15, 20), poll(consumer, 5));
        consumer.seekToBegin(zero);
        assertEquals(texts("zero", 20), poll(consumer, 20));
        consumer.seekToEnd(zero);
        sendTo(zero, List.of("zero-new"));
        assertEquals(List.of("zero-new"), poll(consumer, 1));

        assertEquals(0L, consumer.offsetForTimestamp(zero, 0L), "offset for the beginning of time");
        consumer.commitSync();
        consumer.getOffsetStore().persistAll(Set.of(zero, one));
        Node.eventually(5, "committed offset", 21L, () -> committed(consumer.getConsumerGroup(), zero));
    }

    /** The bodies of this many messages, sorted, and whatever else comes within a short while. */
    private static List<String> poll(DefaultLitePullConsumer consumer, int count) {
        List<MessageExt> seen = new ArrayList<>();
        long end = System.currentTimeMillis() + 15_000;
        while (seen.size() < count && System.currentTimeMillis() < end) seen.addAll(consumer.poll(200));
        seen.addAll(consumer.poll(100));
        return seen.stream().map(Inbox::text).sorted().collect(Collectors.toList());
    }
}
