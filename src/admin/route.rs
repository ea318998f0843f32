//! Which masters and queues a topic has, asked of a name server.

use super::client::{ClientError, Connection};

const GET_ROUTE: i32 = 105;
const TOPIC_NOT_EXIST: i32 = 17;
const READ: i64 = 4;
const WRITE: i64 = 2;

/// The topic that lends its route to topics that do not exist yet.
pub(super) const DEFAULT_TOPIC: &str = "TBW102";
/// Queues that an automatically created topic gets at most, as with the stock clients.
pub(super) const DEFAULT_QUEUES: u32 = 4;

/// One broker's share of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub broker: String,
    /// Of the master: `host:port`.
    pub address: String,
    pub readable: u32,
    pub writable: u32,
}

/// None: the name server does not know the topic.
pub(super) fn route(namesrv: &mut Connection, topic: &str) -> Result<Option<Vec<Share>>, ClientError> {
    let fields = [("topic", topic.to_string()), ("acceptStandardJsonOnly", "true".to_string())];
    let answer = namesrv.call(GET_ROUTE, &fields, b"")?;
    match answer.code {
        0 => {}
        TOPIC_NOT_EXIST => return Ok(None),
        _ => return Err(namesrv.refused("give a route", &answer)),
    }
    let bad = || ClientError::BadAnswer { what: "a route request", address: namesrv.address().to_string() };
    let data: serde_json::Value = serde_json::from_slice(&answer.body).map_err(|_| bad())?;
    Ok(Some(shares(&data)))
}

fn shares(data: &serde_json::Value) -> Vec<Share> {
    let list = |name: &str| data[name].as_array().cloned().unwrap_or_default();
    let brokers = list("brokerDatas");
    let mut shares: Vec<Share> = list("queueDatas")
        .iter()
        .filter_map(|queues| {
            let broker = queues["brokerName"].as_str()?;
            let data = brokers.iter().find(|data| data["brokerName"] == broker)?;
            let perm = queues["perm"].as_i64()?;
            let number = |name: &str, bit: i64| if perm & bit != 0 { queues[name].as_u64().unwrap_or(0) as u32 } else { 0 };
            Some(Share {
                broker: broker.to_string(),
                address: data["brokerAddrs"]["0"].as_str()?.to_string(),
                readable: number("readQueueNums", READ),
                writable: number("writeQueueNums", WRITE),
            })
        })
        .collect();
    shares.sort_by(|a, b| a.broker.cmp(&b.broker));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_with_their_permissions() {
        let data = serde_json::json!({
            "brokerDatas": [
                {"brokerName": "b", "brokerAddrs": {"0": "10.0.0.2:10911", "1": "10.0.0.3:10911"}},
                {"brokerName": "a", "brokerAddrs": {"0": "10.0.0.1:10911"}},
                {"brokerName": "slave-only", "brokerAddrs": {"1": "10.0.0.4:10911"}},
            ],
            "queueDatas": [
                {"brokerName": "b", "perm": 4, "readQueueNums": 8, "writeQueueNums": 8},
                {"brokerName": "a", "perm": 6, "readQueueNums": 4, "writeQueueNums": 2},
                {"brokerName": "slave-only", "perm": 6, "readQueueNums": 4, "writeQueueNums": 4},
                {"brokerName": "gone", "perm": 6, "readQueueNums": 4, "writeQueueNums": 4},
            ],
        });
        let share = |broker: &str, address: &str, readable, writable| Share {
            broker: broker.to_string(),
            address: address.to_string(),
            readable,
            writable,
        };
        assert_eq!(shares(&data), [share("a", "10.0.0.1:10911", 4, 2), share("b", "10.0.0.2:10911", 8, 0)]);
        assert_eq!(shares(&serde_json::json!({})), []);
    }
}
