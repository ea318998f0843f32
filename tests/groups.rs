//! What UPDATE_AND_CREATE_SUBSCRIPTIONGROUP (200) says of a group is answered by 352 and 201 as Apache RocketMQ 5.3.3 answers
//! it, also by a node that was killed and started again.

#[path = "node/mod.rs"]
mod node;

use node::{Encoding, Node, Request};

/// As they are sent, and what 5.3.3 tells of them where another group has its defaults.
const POLICY: &str =
    r#""groupRetryPolicy":{"exponentialRetryPolicy":{"initial":1000,"max":60000,"multiplier":3},"type":"EXPONENTIAL"}"#;
const SUBSCRIPTIONS: &str =
    r#""subscriptionDataSet":[{"expression":"a || b","expressionType":"TAG","topic":"T","version":5},{"topic":"U","version":0}]"#;

#[test]
fn a_group_is_kept_as_it_was_said() {
    if !node::can_run() {
        return;
    }
    let data = std::env::temp_dir().join(format!("ringmq-groups-{}", std::process::id()));
    let told = format!(
        r#"{{"attributes":{{}},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"consumeMessageOrderly":true,"consumeTimeoutMinute":3,"groupName":"g",{POLICY},"groupSysFlag":7,"notifyConsumerIdsChangedEnable":true,"retryMaxTimes":16,"retryQueueNums":1,{SUBSCRIPTIONS},"whichBrokerWhenConsumeSlowly":1}}"#
    );
    for start in 0..2 {
        let node = Node::start_in(&data, &["--shards", "2"]);
        let mut client = node.broker();
        if start == 0 {
            let said = format!(
                r#"{{"groupName":"g","consumeTimeoutMinute":3,"groupSysFlag":7,"consumeMessageOrderly":true,{POLICY},{SUBSCRIPTIONS}}}"#
            );
            let answer = client.call(&Request::new(Encoding::Json, 200, 1).body(said.as_bytes()));
            assert_eq!(answer.code, 0, "{answer:?}");
            let broken = br#"{"groupName":"g","groupRetryPolicy":"x"}"#;
            assert_eq!(client.call(&Request::new(Encoding::Json, 200, 2).body(broken)).code, 1);
        }
        let one = client.call(&Request::new(Encoding::Json, 352, 3).field("group", "g"));
        assert_eq!((one.code, String::from_utf8_lossy(&one.body)), (0, told.as_str().into()));
        let all = client.call(&Request::new(Encoding::Json, 201, 4));
        assert!(String::from_utf8_lossy(&all.body).contains(&format!(r#""g":{told}"#)));
    }
    std::fs::remove_dir_all(data).expect("our folder");
}
