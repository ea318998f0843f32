package ringmq;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

/**
 * Requests that are messages: a producer sends one and waits for what a consumer answers.
 *
 * The requests name a queue and a callback, because that is the one way to ask which works in both lines of the stock client:
 * `request(message, timeout)` of 5.x stops waiting as soon as the broker has taken the request (it releases the latch that it waits
 * for the answer with), and `request(message, callback, timeout)` of both lines calls back at that moment, with null for the answer.
 */
class RequestReplyTest extends ClientTest {
    /** The first request also waits until the consumer has its queues. */
    private static final long PATIENCE_MS = 35_000;

    @Test
    void answered() throws Exception {
        String topic = Node.topic(2);
        answering(topic);
        DefaultMQProducer producer = requester(topic);
        for (int i = 0; i < 6; i++) assertEquals("answer to question " + i, ask(producer, topic, i % 2, "question " + i));
    }

    @Test
    void whoWaitsIsAnswered() throws Exception {
        assumeTrue(MQVersion.CURRENT_VERSION < MQVersion.Version.V5_0_0.ordinal(), "the client's request(message, timeout) waits for the answer");
        String topic = Node.topic(2);
        answering(topic);
        DefaultMQProducer producer = requester(topic);
        for (int i = 0; i < 5; i++) {
            Message answer = producer.request(new Message(topic, utf8("question " + i)), PATIENCE_MS);
            assertEquals("answer to question " + i, new String(answer.getBody()));
        }
    }

    /** A long answer is compressed on its whole way. */
    @Test
    void aLongAnswer() throws Exception {
        String topic = Node.topic(1);
        answering(topic);
        String question = "long, ".repeat(20_000);
        assertEquals("answer to " + question, ask(requester(topic), topic, 0, question));
    }

    /** Two who ask at once get each its own answer, also when they are on different connections. */
    @Test
    void eachItsOwn() throws Exception {
        String topic = Node.topic(4);
        answering(topic);
        DefaultMQProducer[] producers = {requester(topic), requester(topic), requester(topic)};
        for (int round = 0; round < 4; round++) {
            for (int p = 0; p < producers.length; p++) {
                String question = "question " + round + " of " + p;
                assertEquals("answer to " + question, ask(producers[p], topic, (round + p) % 4, question));
            }
        }
    }

    @Test
    void unanswered() throws Exception {
        String topic = Node.topic(1);
        long asked = System.currentTimeMillis();
        var error = assertThrows(ExecutionException.class, () -> request(started(Node.newProducer()), topic, 0, "anybody?", 1_000).get(20, TimeUnit.SECONDS));
        assertEquals(RequestTimeoutException.class, error.getCause().getClass());
        assertTrue(System.currentTimeMillis() - asked >= 1_000, "nobody gives up before the time is over");
    }

    /** Answers are kept too, where they can be looked at. */
    @Test
    void answersAreStored() throws Exception {
        String topic = Node.topic(1);
        answering(topic);
        ask(requester(topic), topic, 0, "kept " + topic);
        MessageQueue queue = new MessageQueue(Node.cluster() + "_REPLY_TOPIC", Node.queues(topic).get(0).getBrokerName(), 0);
        Node.eventually(10, "the stored answer", true, () -> {
            long end = Node.producer().maxOffset(queue), begin = Math.max(0, end - 32);
            for (MessageExt message : pull(Node.unique("readers")).pull(queue, "*", begin, 32).getMsgFoundList()) {
                if (("answer to kept " + topic).equals(Inbox.text(message))) return true;
            }
            return false;
        });
    }

    private static String ask(DefaultMQProducer producer, String topic, int queue, String question) throws Exception {
        return new String(request(producer, topic, queue, question, PATIENCE_MS).get(PATIENCE_MS + 5_000, TimeUnit.MILLISECONDS).getBody(), StandardCharsets.UTF_8);
    }

    private static CompletableFuture<Message> request(DefaultMQProducer producer, String topic, int queue, String question, long timeout) throws Exception {
        CompletableFuture<Message> answer = new CompletableFuture<>();
        producer.request(new Message(topic, utf8(question)), Node.queues(topic).get(queue), new RequestCallback() {
            @Override public void onSuccess(Message message) { answer.complete(message); }
            @Override public void onException(Throwable e) { answer.completeExceptionally(e); }
        }, timeout);
        return answer;
    }

    /** The broker of the topic has had its heartbeat: without one it does not know where to bring answers to. */
    private DefaultMQProducer requester(String topic) throws Exception {
        DefaultMQProducer producer = started(Node.newProducer());
        var client = producer.getDefaultMQProducerImpl().getmQClientFactory();
        client.updateTopicRouteInfoFromNameServer(topic);
        Node.eventually(10, "heartbeats sent by " + client.getClientId(), true, () -> {
            client.sendHeartbeatToAllBrokerWithLock();
            return Node.admin().examineProducerConnectionInfo(producer.getProducerGroup(), topic).getConnectionSet().stream()
                .anyMatch(connection -> connection.getClientId().equals(client.getClientId()));
        });
        return producer;
    }

    private void answering(String topic) throws Exception {
        DefaultMQProducer answers = started(Node.newProducer());
        DefaultMQPushConsumer consumer = push(Node.unique("group"), topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            try {
                for (MessageExt m : batch) answers.send(MessageUtil.createReplyMessage(m, utf8("answer to " + Inbox.text(m))), 5_000);
            } catch (Exception e) {
                throw new IllegalStateException("the answer was refused", e);
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
    }
}
