package ringmq;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** The push consumer: what it is given, once, from where, and how soon. */
@Execution(ExecutionMode.CONCURRENT)
class PushTest extends ClientTest {
    /** More than one pull's worth in every queue, part of it sent before the consumer starts and part of it after. */
    @Test
    void clustering() throws Exception {
        String topic = Node.topic(4);
        List<Message> before = new ArrayList<>();
        for (String body : texts("before", 600)) before.add(new Message(topic, utf8(body)));
        for (MessageQueue queue : Node.queues(topic)) {
            int q = queue.getQueueId();
            acknowledged(Node.producer().send(before.subList(150 * q, 150 * (q + 1)), queue));
        }
        Inbox inbox = new Inbox();
        push(Node.unique("group"), topic, "*", inbox);
        send(topic, texts("later", 40));
        List<String> expected = new ArrayList<>(texts("before", 600));
        expected.addAll(texts("later", 40));
        inbox.holdsExactly(15, expected);
        for (MessageExt message : inbox.messages()) assertEquals(0, message.getReconsumeTimes(), "reconsume times of " + message);
    }

    /** A message for a waiting consumer is answered to its held pull: not by the next sweep or poll, seconds later. */
    @Test
    void heldPullIsAnsweredAtOnce() throws Exception {
        String topic = Node.topic(1);
        ConcurrentLinkedQueue<Long> delays = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = push(Node.unique("group"), topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            for (MessageExt m : batch) delays.add(System.currentTimeMillis() - m.getBornTimestamp());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        send(topic, List.of("warm up"));
        Node.eventually(10, "messages received", 1, delays::size);
        for (int i = 0; i < 5; i++) {
            Thread.sleep(200);
            send(topic, List.of("message " + i));
            Node.eventually(3, "messages received", 2 + i, delays::size);
        }
        delays.poll();
        delays.forEach(ms -> assertTrue(ms < 3000, "ms from birth to listener, each below 3000: " + delays));
    }

    @Test
    void broadcasting() throws Exception {
        String topic = Node.topic(4), group = Node.unique("group");
        send(topic, texts("before", 10));
        Inbox[] inboxes = {new Inbox(), new Inbox()};
        for (Inbox inbox : inboxes) {
            DefaultMQPushConsumer consumer = push(group, topic, "*");
            // the enum's package differs between the two lines; its class is reached through one of its values
            consumer.setMessageModel(consumer.getMessageModel().valueOf("BROADCASTING"));
            consumer.registerMessageListener(inbox.concurrently());
            consumer.start();
        }
        send(topic, texts("while", 30));
        List<String> expected = new ArrayList<>(texts("before", 10));
        expected.addAll(texts("while", 30));
        for (Inbox inbox : inboxes) inbox.holdsExactly(15, expected);
    }

    @Test
    void restartContinuesAtItsOffset() throws Exception {
        String topic = Node.topic(4), group = Node.unique("group");
        send(topic, texts("first", 40));
        Inbox first = new Inbox();
        DefaultMQPushConsumer consumer = push(group, topic, "*", first);
        first.holdsExactly(15, texts("first", 40));
        consumer.shutdown();
        for (MessageQueue queue : Node.queues(topic)) Node.eventually(5, "committed offset of " + queue, 10L, () -> committed(group, queue));
        send(topic, texts("meanwhile", 20));
        Inbox second = new Inbox();
        push(group, topic, "*", second);
        second.holdsExactly(15, texts("meanwhile", 20));
    }

    /** The broker compares hash codes, "Aa" and "BB" have the same one, and the client must still see to it that only "Aa" is given out. */
    @Test
    void tags() throws Exception {
        String topic = Node.topic(2);
        assertEquals("Aa".hashCode(), "BB".hashCode(), "the two tags collide");
        for (String tag : List.of("Aa", "BB", "C", "D")) send(topic, tag, texts(tag, 12));
        send(topic, null, texts("untagged", 12));
        Inbox one = new Inbox(), two = new Inbox(), all = new Inbox();
        String group = Node.unique("group");
        push(group, topic, "Aa", one);
        push(Node.unique("group"), topic, " BB || D ", two);
        push(Node.unique("group"), topic, "*", all);
        send(topic, "Aa", texts("last-Aa", 2));
        send(topic, "D", texts("last-D", 2));

        one.holdsExactly(15, concat(texts("Aa", 12), texts("last-Aa", 2)));
        two.holdsExactly(15, concat(texts("BB", 12), texts("D", 12), texts("last-D", 2)));
        all.holdsExactly(15, concat(texts("Aa", 12), texts("BB", 12), texts("C", 12), texts("D", 12), texts("untagged", 12), texts("last-Aa", 2), texts("last-D", 2)));
    }

    /**
     * Where a group begins that has never consumed. While a queue's first message is still young, Apache's broker answers
     * "offset 0" to every new group, so that whoever asks for the last offset or a time gets everything too.
     */
    @Test
    void newGroupOnAYoungTopicBeginsAtTheFirstMessage() throws Exception {
        String topic = Node.topic(2);
        send(topic, texts("old", 20));
        for (ConsumeFromWhere from : List.of(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP)) {
            Inbox inbox = new Inbox();
            DefaultMQPushConsumer consumer = push(Node.unique("group"), topic, "*");
            consumer.setConsumeFromWhere(from);
            consumer.setConsumeTimestamp(UtilAll.timeMillisToHumanString3(System.currentTimeMillis() + 3_600_000));
            consumer.registerMessageListener(inbox.concurrently());
            consumer.start();
            inbox.holdsExactly(15, texts("old", 20));
        }
    }

    private static List<String> concat(List<String>... lists) {
        List<String> all = new ArrayList<>();
        for (List<String> list : lists) all.addAll(list);
        return all;
    }
}
