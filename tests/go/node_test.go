// Package stockgo runs the stock Go client (rocketmq-client-go v2.1.2) against a running node. It speaks an older dialect than the
// Java clients: code 10 with the long header for single messages, version 317, routes with unquoted keys.
//
//	NAMESRV_ADDR=127.0.0.1:9876 go test ./...
package stockgo

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

var (
	run    = time.Now().UnixMilli()
	number atomic.Int64
)

func TestMain(m *testing.M) {
	rlog.SetLogLevel("fatal")
	os.Exit(m.Run())
}

func nameServer() primitive.NamesrvAddr {
	if address := os.Getenv("NAMESRV_ADDR"); address != "" {
		return primitive.NamesrvAddr{address}
	}
	return primitive.NamesrvAddr{"127.0.0.1:9876"}
}

// unique makes a name that nobody has used before, so that the tests can run again and again.
func unique(what string) string { return fmt.Sprintf("go-%s-%x-%d", what, run, number.Add(1)) }

func startedProducer(t *testing.T, options ...producer.Option) rocketmq.Producer {
	t.Helper()
	options = append([]producer.Option{producer.WithNameServer(nameServer()), producer.WithGroupName(unique("producers")),
		producer.WithInstanceName(unique("producer")), producer.WithRetry(0)}, options...)
	p, err := rocketmq.NewProducer(options...)
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatalf("starting a producer: %v", err)
	}
	t.Cleanup(func() { _ = p.Shutdown() })
	return p
}

// newTopic is made by sending to it, as most Go programs do; it has this first message.
func newTopic(t *testing.T, p rocketmq.Producer) string {
	t.Helper()
	topic := unique("topic")
	sent(t, p, message(topic, "first"))
	return topic
}

func message(topic, body string) *primitive.Message { return primitive.NewMessage(topic, []byte(body)) }

func sent(t *testing.T, p rocketmq.Producer, messages ...*primitive.Message) *primitive.SendResult {
	t.Helper()
	result, err := p.SendSync(context.Background(), messages...)
	if err != nil {
		t.Fatalf("sending %v: %v", messages[0], err)
	}
	if result.Status != primitive.SendOK {
		t.Fatalf("expected SendOK, got %v", result)
	}
	return result
}

// inbox keeps what one or more consumers were given.
type inbox struct {
	sync.Mutex
	messages []*primitive.MessageExt
}

func (in *inbox) handle(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	in.Lock()
	defer in.Unlock()
	in.messages = append(in.messages, messages...)
	return consumer.ConsumeSuccess, nil
}

func (in *inbox) bodies() []string {
	in.Lock()
	defer in.Unlock()
	bodies := []string{}
	for _, m := range in.messages {
		bodies = append(bodies, string(m.Body))
	}
	sort.Strings(bodies)
	return bodies
}

// holdsExactly waits for as many messages as expected and says whether they are these, each once.
func (in *inbox) holdsExactly(t *testing.T, expected []string) {
	t.Helper()
	expected = append([]string{}, expected...)
	sort.Strings(expected)
	for end := time.Now().Add(40 * time.Second); len(in.bodies()) < len(expected) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond) // one more than expected would be here by now
	if got := in.bodies(); !reflect.DeepEqual(expected, got) {
		t.Fatalf("expected messages\n%v\ngot\n%v", expected, got)
	}
}

func consume(t *testing.T, group, topic, expression string, in *inbox, options ...consumer.Option) rocketmq.PushConsumer {
	t.Helper()
	options = append([]consumer.Option{consumer.WithGroupName(group)}, options...)
	return consumeWith(t, topic, consumer.MessageSelector{Type: consumer.TAG, Expression: expression}, in.handle, options...)
}

// consumeWith starts a consumer whose listener is the test's own, in a group of its own unless the options name another.
func consumeWith(t *testing.T, topic string, selector consumer.MessageSelector,
	listen func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error), options ...consumer.Option) rocketmq.PushConsumer {
	t.Helper()
	options = append([]consumer.Option{consumer.WithNameServer(nameServer()), consumer.WithGroupName(unique("group")),
		consumer.WithInstance(unique("consumer")), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset)}, options...)
	c, err := rocketmq.NewPushConsumer(options...)
	if err == nil {
		err = c.Subscribe(topic, selector, listen)
	}
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatalf("starting a consumer of %s: %v", topic, err)
	}
	t.Cleanup(func() { _ = c.Shutdown() })
	return c
}

func texts(what string, count int) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%03d", what, i)
	}
	return all
}
