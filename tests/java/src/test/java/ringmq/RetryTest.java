package ringmq;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** Messages that a listener cannot handle: they come back to the group, and in the end lie in its dead letters. */
@Execution(ExecutionMode.CONCURRENT)
class RetryTest extends ClientTest {
    /** What a listener saw of a message, and when. */
    private static final class Attempt {
        final MessageExt message;
        final long at = System.currentTimeMillis();

        Attempt(MessageExt message) { this.message = message; }
    }

    @Test
    void comesBackUntilItIsGivenUp() throws Exception {
        String topic = Node.topic(1), group = Node.unique("group");
        ConcurrentLinkedQueue<Attempt> attempts = new ConcurrentLinkedQueue<>();
        failing(push(group, topic, "*"), attempts, 2).start();
        Message message = new Message(topic, "tag", "key", utf8("cannot be handled"));
        message.putUserProperty("user", "property");
        SendResult sent = acknowledged(Node.producer().send(message));
        MessageExt dead = deadLetter(group);

        assertEquals(List.of(0, 1, 2), attempts.stream().map(a -> a.message.getReconsumeTimes()).collect(Collectors.toList()), "attempts, by their reconsume times");
        for (Attempt attempt : attempts) {
            assertEquals(topic, attempt.message.getTopic(), "the listener sees the topic that it subscribed to");
            assertSame(sent, message, attempt.message);
        }
        assertEquals(3, dead.getReconsumeTimes());
        assertSame(sent, message, dead);
        assertEquals(topic, dead.getProperty("RETRY_TOPIC"));
        assertEquals(sent.getOffsetMsgId(), dead.getProperty("ORIGIN_MESSAGE_ID"));
    }

    private static void assertSame(SendResult sent, Message message, MessageExt found) {
        assertEquals("cannot be handled", Inbox.text(found));
        assertEquals(sent.getMsgId(), found.getMsgId(), "unique id");
        assertEquals(List.of(message.getKeys(), message.getTags()), List.of(found.getKeys(), found.getTags()));
        assertEquals("property", found.getUserProperty("user"));
    }

    /** Level 1 is one second by default. The first time a consumer may also have to learn of its new retry topic, every 20 s. */
    @Test
    void comesBackNoEarlierThanItsLevelSays() throws Exception {
        String topic = Node.topic(1), group = Node.unique("group");
        ConcurrentLinkedQueue<Attempt> attempts = new ConcurrentLinkedQueue<>();
        failing(push(group, topic, "*"), attempts, 2).start();
        send(topic, List.of("late"));
        Node.eventually(50, "attempts", 3, attempts::size);
        List<Attempt> all = new ArrayList<>(attempts);
        for (int i = 1; i < all.size(); i++) {
            long after = all.get(i).at - all.get(i - 1).at;
            assertTrue(after >= 950 && after < (i == 1 ? 40_000 : 10_000), "attempt " + i + " came " + after + " ms after the one before it");
        }
    }

    /** What is sent back keeps its tag, so a consumer that wants only some tags gets its own messages again. */
    @Test
    void comesBackToAConsumerOfOneTag() throws Exception {
        String topic = Node.topic(2), group = Node.unique("group");
        ConcurrentLinkedQueue<Attempt> attempts = new ConcurrentLinkedQueue<>();
        failing(push(group, topic, "wanted"), attempts, 1).start();
        send(topic, "wanted", List.of("mine"));
        send(topic, "other", List.of("not mine"));
        assertEquals("mine", Inbox.text(deadLetter(group)));
        assertEquals(List.of("mine", "mine"), attempts.stream().map(a -> Inbox.text(a.message)).collect(Collectors.toList()));
    }

    /** An ordered consumer tries by itself, then sends the message to its retry topic; since it holds locks, that is the end of it. */
    @Test
    void anOrderedConsumerGivesUpAtOnce() throws Exception {
        String topic = Node.topic(1), group = Node.unique("group");
        ConcurrentLinkedQueue<Attempt> attempts = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = push(group, topic, "*");
        consumer.setMaxReconsumeTimes(2);
        consumer.setSuspendCurrentQueueTimeMillis(50);
        consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
            batch.forEach(m -> attempts.add(new Attempt(m)));
            return Inbox.text(batch.get(0)).equals("poison") ? ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT : ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        send(topic, List.of("before", "poison", "after"));
        MessageExt dead = deadLetter(group);
        assertEquals("poison", Inbox.text(dead));
        assertEquals(topic, dead.getProperty("RETRY_TOPIC"));
        Node.eventually(20, "the message behind it", "after", () -> Inbox.text(new ArrayList<>(attempts).get(attempts.size() - 1).message));
        assertEquals(List.of("before", "poison", "poison", "poison", "after"), attempts.stream().map(a -> Inbox.text(a.message)).collect(Collectors.toList()));
    }

    /** A client with a namespace puts it before every name; the broker sees only longer names. */
    @Test
    void inANamespace() throws Exception {
        String namespace = Node.unique("ns"), topic = Node.unique("topic"), group = Node.unique("group");
        Node.putTopic(namespace + "%" + topic, 1, 1, 6);
        Node.eventually(5, "the route of the topic in its namespace", 1, () -> Node.queues(namespace + "%" + topic).size());
        DefaultMQProducer producer = Node.newProducer();
        producer.setNamespace(namespace);
        started(producer);
        ConcurrentLinkedQueue<Attempt> attempts = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = prepared(new DefaultMQPushConsumer(group));
        consumer.setNamespace(namespace);
        consumer.subscribe(topic, "*");
        failing(consumer, attempts, 1).start();
        acknowledged(producer.send(new Message(topic, utf8("within"))));
        MessageExt dead = deadLetter(namespace + "%" + group);
        assertEquals("within", Inbox.text(dead));
        assertEquals(namespace + "%" + topic, dead.getProperty("RETRY_TOPIC"));
        assertEquals(List.of(topic, topic), attempts.stream().map(a -> a.message.getTopic()).collect(Collectors.toList()), "the listener sees no namespace");
        assertEquals(1, Node.admin().examineTopicRouteInfo("%RETRY%" + namespace + "%" + group).getQueueDatas().size(), "its retry topic");
    }

    /** A pull consumer sends back by hand, and says itself for which group. */
    @Test
    void sentBackByAPullConsumer() throws Exception {
        String topic = Node.topic(1), group = Node.unique("group");
        send(topic, List.of("pulled"));
        MessageExt message = everythingIn(Node.queues(topic).get(0), 1).get(0);
        DefaultMQPullConsumer consumer = pull(group);
        consumer.setMaxReconsumeTimes(16);
        // The pull tells it the broker's address. A client that has none puts the message into the retry topic by itself, as into any
        // topic that it does not know: a queue that the default topic has, which need not be one of the retry topic's.
        consumer.pull(Node.queues(topic).get(0), "*", 0, 1);
        consumer.sendMessageBack(message, 1, Node.queues(topic).get(0).getBrokerName(), group);
        MessageQueue retry = new MessageQueue("%RETRY%" + group, Node.queues(topic).get(0).getBrokerName(), 0);
        Node.eventually(40, "messages in the retry topic", 1L, () -> Node.producer().maxOffset(retry));
        assertEquals(1, everythingIn(retry, 1).get(0).getReconsumeTimes());
    }

    /** Handles nothing, and wants everything again after the shortest delay there is, at most so many times. */
    private static DefaultMQPushConsumer failing(DefaultMQPushConsumer consumer, ConcurrentLinkedQueue<Attempt> attempts, int retries) {
        consumer.setMaxReconsumeTimes(retries);
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            batch.forEach(m -> attempts.add(new Attempt(m)));
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        return consumer;
    }

    /** The first of the group's dead letters, once it is there. */
    private MessageExt deadLetter(String group) throws Exception {
        String topic = "%DLQ%" + group;
        Node.eventually(40, "the route of " + topic, 1, () -> Node.queues(topic).size());
        MessageQueue queue = Node.queues(topic).get(0);
        Node.eventually(20, "messages in " + topic, 1L, () -> Node.producer().maxOffset(queue));
        return everythingIn(queue, 1).get(0);
    }
}
