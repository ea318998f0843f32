package stockgo

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

var all = consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}

// A message of level 2 is there after five seconds, and not before.
func TestDelayLevels(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic := newTopic(t, p)
	type arrival struct {
		body  string
		after time.Duration
	}
	arrivals := make(chan arrival, 10)
	consumeWith(t, topic, all, func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range messages {
			arrivals <- arrival{string(m.Body), time.Since(time.UnixMilli(m.BornTimestamp))}
		}
		return consumer.ConsumeSuccess, nil
	})
	sent(t, p, message(topic, "level-2").WithDelayTimeLevel(2))
	sent(t, p, message(topic, "level-1").WithDelayTimeLevel(1))
	expected := map[string]time.Duration{"first": 0, "level-1": time.Second, "level-2": 5 * time.Second}
	for len(expected) > 0 {
		select {
		case got := <-arrivals:
			least, known := expected[got.body]
			if !known {
				t.Fatalf("%s came, which was not expected (any more)", got.body)
			}
			// A millisecond is lost where the client rounds its time of birth.
			if got.after < least-time.Millisecond {
				t.Fatalf("%s came after %v", got.body, got.after)
			}
			delete(expected, got.body)
		case <-time.After(40 * time.Second):
			t.Fatalf("still missing: %v", expected)
		}
	}
}

// decider says what a test wants, at once or when the broker asks.
type decider struct {
	now   primitive.LocalTransactionState
	later primitive.LocalTransactionState
	asked atomic.Int32
}

func (d *decider) ExecuteLocalTransaction(*primitive.Message) primitive.LocalTransactionState {
	return d.now
}

func (d *decider) CheckLocalTransaction(*primitive.MessageExt) primitive.LocalTransactionState {
	d.asked.Add(1)
	return d.later
}

// Committed messages are delivered, rolled back ones never, undecided ones when the producer has been asked.
func TestTransactions(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic, in := newTopic(t, p), &inbox{}
	consume(t, unique("group"), topic, "*", in)
	asked := &decider{now: primitive.UnknowState, later: primitive.CommitMessageState}
	for body, listener := range map[string]*decider{
		"committed":   {now: primitive.CommitMessageState},
		"rolled back": {now: primitive.RollbackMessageState},
		"asked for":   asked,
	} {
		tp, err := rocketmq.NewTransactionProducer(listener, producer.WithNameServer(nameServer()), producer.WithRetry(0),
			producer.WithGroupName(unique("producers")), producer.WithInstanceName(unique("producer")))
		if err == nil {
			err = tp.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tp.Shutdown() })
		result, err := tp.SendMessageInTransaction(context.Background(), message(topic, body))
		if err != nil || result.Status != primitive.SendOK || result.State != listener.now {
			t.Fatalf("sending %q in a transaction: %v, %v", body, result, err)
		}
	}
	// The broker asks after transactionTimeOut, at its next round: 36 seconds at most, unless it is configured otherwise.
	for end := time.Now().Add(60 * time.Second); asked.asked.Load() == 0 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	in.holdsExactly(t, []string{"first", "committed", "asked for"})
}

// Messages of one sharding key are consumed in the order in which they were sent, also when one must be tried again.
func TestOrder(t *testing.T) {
	t.Parallel()
	p := startedProducer(t, producer.WithQueueSelector(producer.NewHashQueueSelector()))
	topic := newTopic(t, p)
	keys := []string{"a", "b", "c", "d", "e"}
	for _, body := range texts("step", 30) {
		for _, key := range keys {
			sent(t, p, message(topic, key+" "+body).WithShardingKey(key))
		}
	}
	var lock sync.Mutex
	got, failed := map[string][]string{}, false
	consumeWith(t, topic, all, func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		lock.Lock()
		defer lock.Unlock()
		for _, m := range messages {
			key, body, _ := strings.Cut(string(m.Body), " ")
			if body == "step-010" && key == "c" && !failed {
				failed = true
				return consumer.SuspendCurrentQueueAMoment, nil
			}
			got[key] = append(got[key], body)
		}
		return consumer.ConsumeSuccess, nil
	}, consumer.WithConsumerOrder(true), consumer.WithConsumeMessageBatchMaxSize(1))
	expected := map[string][]string{"first": {""}}
	for _, key := range keys {
		expected[key] = texts("step", 30)
	}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		lock.Lock()
		done, now := reflect.DeepEqual(got, expected), fmt.Sprint(got)
		lock.Unlock()
		if done {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("expected %v\ngot %s", expected, now)
		}
	}
	if !failed {
		t.Fatal("no message was tried again")
	}
}

// A broker with enablePropertyFilter=true delivers what the expression matches.
func TestSQL92(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic := newTopic(t, p)
	for i, body := range texts("sql", 20) {
		m := message(topic, body)
		m.WithProperty("number", fmt.Sprint(i))
		m.WithProperty("kind", []string{"even", "odd"}[i%2])
		sent(t, p, m)
	}
	in := &inbox{}
	consumeWith(t, topic, consumer.MessageSelector{Type: consumer.SQL92, Expression: "number BETWEEN 5 AND 9 AND kind = 'odd' OR number IS NULL"},
		in.handle)
	in.holdsExactly(t, []string{"first", "sql-005", "sql-007", "sql-009"})
}

// What a listener gives back comes again, counted, and nothing else does.
func TestRetry(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic := newTopic(t, p)
	sent(t, p, message(topic, "again"))
	var lock sync.Mutex
	times := map[string][]int32{}
	consumeWith(t, topic, all, func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		lock.Lock()
		defer lock.Unlock()
		m := messages[0]
		times[string(m.Body)] = append(times[string(m.Body)], m.ReconsumeTimes)
		if string(m.Body) == "again" && m.ReconsumeTimes < 2 {
			concurrently, _ := primitive.GetConcurrentlyCtx(ctx)
			concurrently.DelayLevelWhenNextConsume = 1
			return consumer.ConsumeRetryLater, nil
		}
		return consumer.ConsumeSuccess, nil
	}, consumer.WithConsumeMessageBatchMaxSize(1))
	expected := map[string][]int32{"first": {0}, "again": {0, 1, 2}}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		lock.Lock()
		done, now := reflect.DeepEqual(times, expected), fmt.Sprint(times)
		lock.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("expected %v\ngot %s", expected, now)
		}
	}
}
