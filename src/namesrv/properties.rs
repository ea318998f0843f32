//! The name server's properties while it runs: shown whole (319), changed one by one (318), and what they mean for the
//! answers.
//!
//! The table of names, defaults and explanations is `config`'s; this gets the values. As in the original, an update of
//! an unknown name or with a bad number is passed over in silence, and one name of the black list refuses the whole
//! update.
//!
//! Before: `handle`; after: the file, which the caller writes before the change is answered.

use std::collections::BTreeMap;

use crate::config::java_properties;

/// Never changed by a request, whatever `configBlackList` says.
const BLACK_LIST: [&str; 4] = ["configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"];

#[derive(Clone, Debug)]
pub struct Properties {
    values: BTreeMap<String, String>,
    policy: Policy,
}

/// The properties that decide an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub order_message_enable: bool,
    pub return_order_topic_config_to_broker: bool,
    pub support_acting_master: bool,
    pub enable_all_topic_list: bool,
    pub enable_topic_list: bool,
    pub notify_min_broker_id_changed: bool,
    pub delete_topic_with_broker_registration: bool,
    pub need_wait_for_service: bool,
    pub wait_seconds_for_service: i64,
    pub scan_not_active_broker_interval_ms: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum UpdateRefused {
    Syntax,
    BlackList,
}

/// What a name that is missing in `values` means; the original's defaults.
const DEFAULT: Policy = Policy {
    order_message_enable: false,
    return_order_topic_config_to_broker: true,
    support_acting_master: false,
    enable_all_topic_list: true,
    enable_topic_list: true,
    notify_min_broker_id_changed: false,
    delete_topic_with_broker_registration: false,
    need_wait_for_service: false,
    wait_seconds_for_service: 45,
    scan_not_active_broker_interval_ms: 5000,
};

impl Default for Properties {
    fn default() -> Properties {
        Properties::new([])
    }
}

impl Properties {
    /// `values`: all of them, those that have their default too; they are what 319 shows and 318 can change.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Properties {
        let mut values: BTreeMap<String, String> = values.into_iter().collect();
        for (name, value) in DEFAULT.named() {
            values.entry(name.to_string()).or_insert(value);
        }
        let policy = Policy::of(&values);
        Properties { values, policy }
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// `key=value` lines in name order: the body of 319, and the file.
    pub fn text(&self) -> String {
        self.values.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    pub fn update(&mut self, text: &str) -> Result<(), UpdateRefused> {
        let entries = java_properties::parse(text).map_err(|_| UpdateRefused::Syntax)?;
        if entries.iter().any(|entry| self.is_black_listed(&entry.key)) {
            return Err(UpdateRefused::BlackList);
        }
        for entry in entries {
            if let Some(value) = self.values.get_mut(&entry.key)
                && let Some(new) = like(value, &entry.value)
            {
                *value = new;
            }
        }
        self.policy = Policy::of(&self.values);
        Ok(())
    }

    fn is_black_listed(&self, name: &str) -> bool {
        let configured = self.values.get("configBlackList").map_or("", String::as_str);
        BLACK_LIST.contains(&name) || configured.split(';').any(|listed| listed == name)
    }
}

/// The new text in the kind that the old one has: as Java sets a field, where `yes` is false and a bad number nothing.
fn like(old: &str, new: &str) -> Option<String> {
    if old == "true" || old == "false" {
        return Some(new.eq_ignore_ascii_case("true").to_string());
    }
    if old.parse::<i64>().is_ok() {
        return new.parse::<i64>().ok().map(|number| number.to_string());
    }
    Some(new.to_string())
}

impl Policy {
    fn of(values: &BTreeMap<String, String>) -> Policy {
        let flag = |name: &str| values.get(name).is_some_and(|value| value == "true");
        let number = |name: &str, default: i64| values.get(name).and_then(|value| value.parse().ok()).unwrap_or(default);
        Policy {
            order_message_enable: flag("orderMessageEnable"),
            return_order_topic_config_to_broker: flag("returnOrderTopicConfigToBroker"),
            support_acting_master: flag("supportActingMaster"),
            enable_all_topic_list: flag("enableAllTopicList"),
            enable_topic_list: flag("enableTopicList"),
            notify_min_broker_id_changed: flag("notifyMinBrokerIdChanged"),
            delete_topic_with_broker_registration: flag("deleteTopicWithBrokerRegistration"),
            need_wait_for_service: flag("needWaitForService"),
            wait_seconds_for_service: number("waitSecondsForService", DEFAULT.wait_seconds_for_service),
            scan_not_active_broker_interval_ms: number("scanNotActiveBrokerInterval", DEFAULT.scan_not_active_broker_interval_ms)
                .max(100),
        }
    }

    fn named(&self) -> [(&'static str, String); 10] {
        [
            ("orderMessageEnable", self.order_message_enable.to_string()),
            ("returnOrderTopicConfigToBroker", self.return_order_topic_config_to_broker.to_string()),
            ("supportActingMaster", self.support_acting_master.to_string()),
            ("enableAllTopicList", self.enable_all_topic_list.to_string()),
            ("enableTopicList", self.enable_topic_list.to_string()),
            ("notifyMinBrokerIdChanged", self.notify_min_broker_id_changed.to_string()),
            ("deleteTopicWithBrokerRegistration", self.delete_topic_with_broker_registration.to_string()),
            ("needWaitForService", self.need_wait_for_service.to_string()),
            ("waitSecondsForService", self.wait_seconds_for_service.to_string()),
            ("scanNotActiveBrokerInterval", self.scan_not_active_broker_interval_ms.to_string()),
        ]
    }
}
