package ringmq;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.AfterEach;

import static org.junit.jupiter.api.Assertions.assertEquals;

/** Clients that are shut down after the test, whatever its end, and the few words that the tests are written in. */
abstract class ClientTest {
    private final Deque<Runnable> opened = new ArrayDeque<>();

    @AfterEach
    void shutDownClients() {
        while (!opened.isEmpty()) opened.pop().run();
    }

    DefaultMQProducer started(DefaultMQProducer producer) throws Exception {
        producer.start();
        opened.push(producer::shutdown);
        return producer;
    }

    /** Not started, no listener yet. Starts at the first message of each queue, unless the test says otherwise. */
    DefaultMQPushConsumer push(String group, String topic, String expression) throws Exception {
        DefaultMQPushConsumer consumer = prepared(new DefaultMQPushConsumer(group));
        consumer.subscribe(topic, expression);
        return consumer;
    }

    /** What all push consumers have in common. */
    DefaultMQPushConsumer prepared(DefaultMQPushConsumer consumer) {
        consumer.setNamesrvAddr(Node.NAMESRV);
        consumer.setInstanceName(Node.unique("consumer"));
        consumer.setMqClientApiTimeout(Node.PATIENCE_MS);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        // A broker that notifies a new member before it answers that member's heartbeat makes the stock client skip the heartbeat
        // that carries its new subscription version (it finds its own lock taken): pulls get SUBSCRIPTION_NOT_LATEST until the next
        // one, 30 s later by default. Apache's broker does so now and then; RingMQ's word comes a little after its answer, which
        // a machine that is busy enough can still turn around.
        consumer.setHeartbeatBrokerInterval(2_000);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        opened.push(consumer::shutdown);
        return consumer;
    }

    DefaultMQPushConsumer push(String group, String topic, String expression, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = push(group, topic, expression);
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        return consumer;
    }

    DefaultLitePullConsumer litePull(String group) {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
        consumer.setNamesrvAddr(Node.NAMESRV);
        consumer.setInstanceName(Node.unique("consumer"));
        consumer.setMqClientApiTimeout(Node.PATIENCE_MS);
        consumer.setHeartbeatBrokerInterval(2_000); // as in `prepared`
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        opened.push(consumer::shutdown);
        return consumer;
    }

    DefaultMQPullConsumer pull(String group) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group);
        consumer.setNamesrvAddr(Node.NAMESRV);
        consumer.setInstanceName(Node.unique("consumer"));
        consumer.setMqClientApiTimeout(Node.PATIENCE_MS);
        consumer.start();
        opened.push(consumer::shutdown);
        return consumer;
    }

    static byte[] utf8(String text) { return text.getBytes(StandardCharsets.UTF_8); }

    /** `what-000` to `what-(n-1)`: sorted as text they are in the order of sending. */
    static List<String> texts(String what, int count) {
        return IntStream.range(0, count).mapToObj(i -> String.format("%s-%03d", what, i)).collect(Collectors.toList());
    }

    static List<SendResult> send(String topic, List<String> bodies) throws Exception { return send(topic, null, bodies); }

    static List<SendResult> send(String topic, String tag, List<String> bodies) throws Exception {
        List<SendResult> results = new ArrayList<>();
        for (String body : bodies) results.add(acknowledged(Node.producer().send(new Message(topic, tag, utf8(body)))));
        return results;
    }

    static List<SendResult> sendTo(MessageQueue queue, List<String> bodies) throws Exception {
        List<SendResult> results = new ArrayList<>();
        for (String body : bodies) results.add(acknowledged(Node.producer().send(new Message(queue.getTopic(), utf8(body)), queue)));
        return results;
    }

    static SendResult acknowledged(SendResult result) {
        assertEquals(SendStatus.SEND_OK, result.getSendStatus(), () -> "status of " + result);
        return result;
    }

    /**
     * All that a queue holds, pulled from its first message on: at least this many, for which it waits a little.
     * (Apache's broker shows a message only some time after it has acknowledged it; RingMQ need not.)
     */
    List<MessageExt> everythingIn(MessageQueue queue, int count) throws Exception {
        DefaultMQPullConsumer consumer = pull(Node.unique("readers"));
        List<MessageExt> all = new ArrayList<>();
        long end = System.currentTimeMillis() + 5_000;
        for (long next = 0; ; ) {
            PullResult result = consumer.pull(queue, "*", next, 32);
            next = result.getNextBeginOffset();
            if (result.getPullStatus() == PullStatus.FOUND) all.addAll(result.getMsgFoundList());
            else if (all.size() >= count || System.currentTimeMillis() > end) return all;
            else Thread.sleep(5);
        }
    }

    /** What the broker has for this group, asked by nobody's member; -1 for nothing. */
    static long committed(String group, MessageQueue queue) throws Exception {
        var response = Wire.ask(Node.brokerOf(queue), 14, Map.of("consumerGroup", group, "topic", queue.getTopic(), "queueId", "" + queue.getQueueId(), "setZeroIfNotFound", "false"), null);
        return response.getCode() == 0 ? Long.parseLong(response.getExtFields().get("offset")) : -1;
    }

    static List<String> bodies(List<MessageExt> messages) { return messages.stream().map(Inbox::text).collect(Collectors.toList()); }
}
