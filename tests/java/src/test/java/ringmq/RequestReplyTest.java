package ringmq;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

/** Requests that are messages: a producer sends one and waits for what a consumer answers. */
class RequestReplyTest extends ClientTest {
    /** The first request also waits until the consumer has its queues. */
    private static final long PATIENCE_MS = 35_000;

    @Test
    void answered() throws Exception {
        String topic = Node.topic(2);
        answering(topic);
        DefaultMQProducer producer = requester(topic);
        for (int i = 0; i < 5; i++) {
            Message answer = producer.request(new Message(topic, utf8("question " + i)), PATIENCE_MS);
            assertEquals("answer to question " + i, new String(answer.getBody()));
        }
        CompletableFuture<Message> later = new CompletableFuture<>();
        producer.request(new Message(topic, utf8("later")), new RequestCallback() {
            @Override public void onSuccess(Message message) { later.complete(message); }
            @Override public void onException(Throwable e) { later.completeExceptionally(e); }
        }, PATIENCE_MS);
        assertEquals("answer to later", new String(later.get(40, TimeUnit.SECONDS).getBody()));
    }

    /** A long answer is compressed on its whole way. */
    @Test
    void aLongAnswer() throws Exception {
        String topic = Node.topic(1);
        answering(topic);
        String question = "long, ".repeat(20_000);
        Message answer = requester(topic).request(new Message(topic, utf8(question)), PATIENCE_MS);
        assertEquals("answer to " + question, new String(answer.getBody()));
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
                assertEquals("answer to " + question, new String(producers[p].request(new Message(topic, utf8(question)), PATIENCE_MS).getBody()));
            }
        }
    }

    @Test
    void unanswered() throws Exception {
        String topic = Node.topic(1);
        DefaultMQProducer producer = started(Node.newProducer());
        assertThrows(RequestTimeoutException.class, () -> producer.request(new Message(topic, utf8("anybody?")), 1_000));
    }

    /** Answers are kept too, where they can be looked at. */
    @Test
    void answersAreStored() throws Exception {
        String topic = Node.topic(1);
        answering(topic);
        requester(topic).request(new Message(topic, utf8("kept " + topic)), PATIENCE_MS);
        MessageQueue queue = new MessageQueue(Node.cluster() + "_REPLY_TOPIC", Node.queues(topic).get(0).getBrokerName(), 0);
        Node.eventually(10, "the stored answer", true, () -> {
            long end = Node.producer().maxOffset(queue), begin = Math.max(0, end - 32);
            for (MessageExt message : pull(Node.unique("readers")).pull(queue, "*", begin, 32).getMsgFoundList()) {
                if (("answer to kept " + topic).equals(Inbox.text(message))) return true;
            }
            return false;
        });
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
