//! The name server's properties: `NamesrvConfig` and its `NettyServerConfig` of 5.3.3.

use super::ignored::NAMESRV_IGNORED;
use super::kind::Kind;
use super::property::{Property as P, Table};

pub static NAMESRV: Table = Table { rows: ROWS, ignored: NAMESRV_IGNORED };

const ONE_ROLE: &str = "replication is not served yet";

static ROWS: &[P] = &[
    P::used("listenPort", Kind::Integer { unit: "", min: 1, max: 65_535 }, "9876", "Port for brokers and clients.").important(),
    P::used("bindAddress", Kind::Ip, "0.0.0.0", "The local address to listen on.").important(),
    P::used("kvConfigPath", Kind::Path, "", "File of the KV settings; default: namesrv/kvConfig.json in the data folder.")
        .important(),
    P::used("orderMessageEnable", Kind::Boolean, "false", "Puts a topic's order configuration into its route.")
        .live()
        .important(),
    P::used("returnOrderTopicConfigToBroker", Kind::Boolean, "true", "Answers a registration with the order configuration.")
        .live(),
    P::used("enableAllTopicList", Kind::Boolean, "true", "Serves the list of all topics.").live(),
    P::used("enableTopicList", Kind::Boolean, "true", "Serves the list of a cluster's topics.").live(),
    P::used(
        "scanNotActiveBrokerInterval",
        Kind::Integer { unit: "ms", min: 100, max: 600_000 },
        "5000",
        "How often brokers are looked at that have not registered for 120 s.",
    ),
    P::used("needWaitForService", Kind::Boolean, "false", "Answers routes only after waitSecondsForService."),
    P::used("waitSecondsForService", Kind::Integer { unit: "s", min: 0, max: 3_600 }, "45", "See needWaitForService."),
    P::used(
        "deleteTopicWithBrokerRegistration",
        Kind::Boolean,
        "false",
        "Forgets a broker's topics that its registration no longer has.",
    )
    .live(),
    P::used(
        "serverChannelMaxIdleTimeSeconds",
        Kind::Integer { unit: "s", min: 1, max: 86_400 },
        "120",
        "A connection without any traffic for so long is closed.",
    ),
    P::used(
        "configBlackList",
        Kind::Text,
        "configBlackList;configStorePath;kvConfigPath",
        "Properties that updateNamesrvConfig refuses, ';' between them.",
    ),
    P::later("clusterTest", Kind::Boolean, "false", "forwarding of unknown topics to another environment")
        .must("false", "routes are answered from this name server only"),
    P::later("supportActingMaster", Kind::Boolean, "false", "replication").must("false", ONE_ROLE),
    P::later("notifyMinBrokerIdChanged", Kind::Boolean, "false", "replication"),
    P::later("enableControllerInNamesrv", Kind::Boolean, "false", "replication").must("false", ONE_ROLE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_allowed_by_its_own_kind() {
        for row in NAMESRV.rows.iter().filter(|row| !row.default.is_empty()) {
            assert!(row.kind.parse(row.default).is_ok(), "{}={} is not {}", row.name, row.default, row.kind.allowed());
        }
    }

    #[test]
    fn every_field_of_namesrv_config_is_known() {
        for name in [
            "rocketmqHome",
            "kvConfigPath",
            "configStorePath",
            "productEnvName",
            "clusterTest",
            "orderMessageEnable",
            "returnOrderTopicConfigToBroker",
            "clientRequestThreadPoolNums",
            "defaultThreadPoolNums",
            "clientRequestThreadPoolQueueCapacity",
            "defaultThreadPoolQueueCapacity",
            "scanNotActiveBrokerInterval",
            "unRegisterBrokerQueueCapacity",
            "supportActingMaster",
            "enableAllTopicList",
            "enableTopicList",
            "notifyMinBrokerIdChanged",
            "enableControllerInNamesrv",
            "needWaitForService",
            "waitSecondsForService",
            "deleteTopicWithBrokerRegistration",
            "configBlackList",
        ] {
            assert!(NAMESRV.find(name).is_some(), "{name}");
        }
    }
}
