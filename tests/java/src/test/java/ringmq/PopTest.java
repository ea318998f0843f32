package ringmq;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfEnvironmentVariable;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/**
 * The push consumer that pops: the broker hands out messages, the client only acks. Since 5.0: the pom leaves it out before. Not with
 * binary headers: they have 16 bits for a request's code, and POP_MESSAGE is 200050, so the stock client asks for something else.
 */
@DisabledIfEnvironmentVariable(named = "ROCKETMQ_SERIALIZE_TYPE", matches = "ROCKETMQ")
class PopTest extends ClientTest {
    @Test
    void everyMessageOnce() throws Exception {
        String topic = Node.topic(4), group = popping(topic);
        send(topic, texts("before", 60));
        Inbox inbox = new Inbox();
        pop(group, topic).registerMessageListener(inbox.concurrently());
        start();
        send(topic, texts("later", 20));
        List<String> expected = new ArrayList<>(texts("before", 60));
        expected.addAll(texts("later", 20));
        inbox.holdsExactly(30, expected);
        for (MessageExt message : inbox.messages()) assertEquals(0, message.getReconsumeTimes(), "reconsume times of " + message);
    }

    @Test
    void membersShareEveryQueue() throws Exception {
        String topic = Node.topic(2), group = popping(topic);
        Set<String> bodies = ConcurrentHashMap.newKeySet();
        AtomicInteger received = new AtomicInteger();
        AtomicInteger[] each = {new AtomicInteger(), new AtomicInteger(), new AtomicInteger()};
        for (AtomicInteger mine : each) {
            pop(group, topic).registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
                for (MessageExt message : batch) {
                    bodies.add(Inbox.text(message));
                    received.incrementAndGet();
                    mine.incrementAndGet();
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        start();
        // three members, two queues: each of them has work all the same, once it has asked for its queues
        int sent = 0;
        for (long end = System.currentTimeMillis() + 30_000; System.currentTimeMillis() < end; sent += 3) {
            if (List.of(each).stream().allMatch(mine -> mine.get() > 0)) break;
            send(topic, texts("round" + sent, 3));
            Thread.sleep(100);
        }
        Node.eventually(20, "different messages", sent, bodies::size);
        assertEquals(sent, received.get(), "messages in all");
        for (AtomicInteger mine : each) assertTrue(mine.get() > 0, "each of three members gets some: " + List.of(each));
    }

    /** What a listener does not want now comes again, with one more reconsume time, and then no more. */
    @Test
    void consumeLater() throws Exception {
        String topic = Node.topic(2), group = popping(topic);
        Map<String, List<Integer>> times = new ConcurrentHashMap<>();
        pop(group, topic).registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            boolean again = false;
            for (MessageExt message : batch) {
                List<Integer> seen = times.computeIfAbsent(Inbox.text(message), body -> new ArrayList<>());
                synchronized (seen) { seen.add(message.getReconsumeTimes()); }
                again |= message.getReconsumeTimes() == 0;
            }
            return again ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        start();
        send(topic, texts("message", 10));
        Node.eventually(90, "messages that came twice", 10L, () -> times.values().stream().filter(seen -> seen.size() >= 2).count());
        Thread.sleep(3000);
        times.forEach((body, seen) -> assertEquals(List.of(0, 1), seen, "reconsume times of " + body));
    }

    /** An SQL92 expression: what does not match is passed over, however much of it there is. */
    @Test
    void bySql() throws Exception {
        Properties on = new Properties();
        on.setProperty("enablePropertyFilter", "true");
        for (String broker : Node.brokers()) Node.admin().updateBrokerConfig(broker, on);
        String topic = Node.topic(1), group = popping(topic);
        DefaultMQProducer producer = Node.producer();
        for (int batch = 0; batch < 20; batch++) {
            List<Message> messages = new ArrayList<>();
            for (int at = batch * 100; at < batch * 100 + 100; at++) messages.add(numbered(topic, at));
            producer.send(messages);
        }
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = pop(group, topic);
        consumer.subscribe(topic, MessageSelector.bySql("n IN ('3', '1990') OR n BETWEEN 2000 AND 2001"));
        consumer.registerMessageListener(inbox.concurrently());
        start();
        inbox.holdsExactly(30, List.of("3", "1990"));
        // It waits now, and is not kept from going on by what does not match.
        for (int at = 1995; at < 2005; at++) producer.send(numbered(topic, at));
        inbox.holdsExactly(10, List.of("3", "1990", "2000", "2001"));
    }

    private static Message numbered(String topic, int number) {
        Message message = new Message(topic, Integer.toString(number).getBytes());
        message.putUserProperty("n", Integer.toString(number));
        return message;
    }

    private final List<DefaultMQPushConsumer> popping = new ArrayList<>();

    /** A new group that pops the topic. */
    private static String popping(String topic) throws Exception {
        String group = Node.unique("poppers");
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        for (String broker : Node.brokers()) {
            Node.admin().createAndUpdateSubscriptionGroupConfig(broker, config);
            Node.admin().setMessageRequestMode(broker, topic, group, MessageRequestMode.POP, 0, 5000);
        }
        return group;
    }

    private DefaultMQPushConsumer pop(String group, String topic) throws Exception {
        DefaultMQPushConsumer consumer = push(group, topic, "*");
        consumer.setClientRebalance(false);
        consumer.setPopInvisibleTime(10_000);
        popping.add(consumer);
        return consumer;
    }

    private void start() throws Exception {
        for (DefaultMQPushConsumer consumer : popping) consumer.start();
    }
}
