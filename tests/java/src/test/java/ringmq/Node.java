package ringmq;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

import static org.junit.jupiter.api.Assertions.fail;

/**
 * The running node, as its clients see it: where it is, names that nobody has used before, and one producer and one admin
 * client that all tests share. The address comes from where the stock client takes it: -Drocketmq.namesrv.addr, then NAMESRV_ADDR.
 */
final class Node {
    static final String NAMESRV = System.getProperty("rocketmq.namesrv.addr",
        Objects.requireNonNullElse(System.getenv("NAMESRV_ADDR"), "127.0.0.1:9876"));
    /** The stock client gives up after 3 s, which a machine that does other things too may take for one request now and then. */
    static final int PATIENCE_MS = 15_000;
    private static final String RUN = Long.toString(System.currentTimeMillis(), 36);
    private static final AtomicInteger NUMBER = new AtomicInteger();
    private static DefaultMQProducer producer;
    private static DefaultMQAdminExt admin;

    private Node() { }

    static String unique(String what) { return what + "-" + RUN + "-" + NUMBER.incrementAndGet(); }

    static synchronized DefaultMQProducer producer() throws Exception {
        if (producer == null) {
            admin();
            DefaultMQProducer p = newProducer();
            p.start();
            Runtime.getRuntime().addShutdownHook(new Thread(p::shutdown));
            producer = p;
        }
        return producer;
    }

    static DefaultMQProducer newProducer() {
        DefaultMQProducer p = new DefaultMQProducer(unique("producers"));
        p.setNamesrvAddr(NAMESRV);
        p.setInstanceName(unique("producer"));
        p.setSendMsgTimeout(PATIENCE_MS);
        p.setMqClientApiTimeout(PATIENCE_MS);
        return p;
    }

    static synchronized DefaultMQAdminExt admin() throws Exception {
        if (admin == null) {
            DefaultMQAdminExt a = new DefaultMQAdminExt(unique("admins"), PATIENCE_MS);
            a.setNamesrvAddr(NAMESRV);
            a.setInstanceName(unique("admin"));
            a.start();
            Runtime.getRuntime().addShutdownHook(new Thread(a::shutdown));
            admin = a;
            // a node that has just been started may still be registering
            eventually(20, "a broker at the name server " + NAMESRV, false, () -> brokers().isEmpty());
        }
        return admin;
    }

    /** The addresses of all masters; with shardRouting=direct there are several. */
    static List<String> brokers() throws Exception {
        List<String> addresses = new ArrayList<>();
        for (var broker : admin().examineBrokerClusterInfo().getBrokerAddrTable().values()) addresses.add(broker.selectBrokerAddr());
        return addresses;
    }

    static String brokerOf(MessageQueue queue) throws Exception {
        return admin().examineBrokerClusterInfo().getBrokerAddrTable().get(queue.getBrokerName()).selectBrokerAddr();
    }

    static String cluster() throws Exception {
        return admin().examineBrokerClusterInfo().getClusterAddrTable().keySet().iterator().next();
    }

    /** Some answers changed from 4.9 to 5.0; what is asked of RingMQ are the newer ones. */
    static boolean isBefore5() throws Exception {
        return Integer.parseInt(admin().fetchBrokerRuntimeStats(brokers().get(0)).getTable().get("brokerVersion")) < 413;
    }

    static String topic(int queues) throws Exception { return topic(queues, queues, 6); }

    /** A new topic on the first broker alone, so that the tests can count its queues, once its route has reached the name server. */
    static String topic(int readQueues, int writeQueues, int perm) throws Exception {
        String topic = unique("topic");
        putTopic(topic, readQueues, writeQueues, perm);
        eventually(5, "the route of " + topic + " to have its write queues", writeQueues,
            () -> admin().examineTopicRouteInfo(topic).getQueueDatas().get(0).getWriteQueueNums());
        return topic;
    }

    static void putTopic(String topic, int readQueues, int writeQueues, int perm) throws Exception {
        admin().createAndUpdateTopicConfig(brokers().get(0), new TopicConfig(topic, readQueues, writeQueues, perm));
    }

    /** Its queues in their order. */
    static List<MessageQueue> queues(String topic) throws Exception {
        List<MessageQueue> queues = new ArrayList<>(producer().fetchPublishMessageQueues(topic));
        queues.sort(Comparator.naturalOrder());
        return queues;
    }

    /** Asks until the answer is the expected one; fails with what was expected and the last answer or error. */
    static <T> void eventually(int seconds, String what, T expected, Callable<T> ask) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(seconds).toNanos();
        Object last = null;
        while (true) {
            try {
                T now = ask.call();
                if (Objects.equals(now, expected)) return;
                last = now;
            } catch (InterruptedException e) {
                throw e;
            } catch (Exception e) {
                last = e;
            }
            if (System.nanoTime() > end) fail("within " + seconds + " s expected " + what + ": <" + expected + ">, last seen: <" + last + ">");
            Thread.sleep(20);
        }
    }
}
