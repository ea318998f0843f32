//! The name server's settings, typed.
//!
//! Before: `layers`; after: `node`, `namesrv`.

use std::net::IpAddr;
use std::path::PathBuf;

use super::error::Origin;
use super::layers::Values;
use super::property::Property;

#[derive(Clone, Debug)]
pub struct NamesrvSettings {
    values: Values,
    pub listen_port: u16,
    pub bind_address: IpAddr,
    /// None: in the data folder, see `NodeOptions::kv_config_path`.
    pub kv_config_path: Option<PathBuf>,
    pub order_message: bool,
    pub return_order_config: bool,
    pub all_topic_list: bool,
    pub topic_list: bool,
    pub scan_interval_ms: i64,
    /// Seconds after start in which routes are not answered yet.
    pub wait_s: Option<i64>,
    pub delete_topics_with_registration: bool,
    pub connection_idle_s: u32,
    pub update_refused: Vec<String>,
}

impl NamesrvSettings {
    pub fn from_values(values: Values) -> NamesrvSettings {
        let v = &values;
        let wait_s = v.number("waitSecondsForService");
        NamesrvSettings {
            listen_port: v.number("listenPort"),
            bind_address: v.text("bindAddress").parse().expect("Kind::Ip was checked"),
            kv_config_path: v.text_or_none("kvConfigPath").map(PathBuf::from),
            order_message: v.flag("orderMessageEnable"),
            return_order_config: v.flag("returnOrderTopicConfigToBroker"),
            all_topic_list: v.flag("enableAllTopicList"),
            topic_list: v.flag("enableTopicList"),
            scan_interval_ms: v.number("scanNotActiveBrokerInterval"),
            wait_s: v.flag("needWaitForService").then_some(wait_s),
            delete_topics_with_registration: v.flag("deleteTopicWithBrokerRegistration"),
            connection_idle_s: v.number("serverChannelMaxIdleTimeSeconds"),
            update_refused: v.text("configBlackList").split(';').map(str::trim).map(str::to_string).collect(),
            values,
        }
    }

    pub fn properties(&self) -> Vec<(Property, String, Origin)> {
        self.values.all()
    }

    pub fn notes(&self) -> &[String] {
        &self.values.notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, NAMESRV};
    use std::path::Path;

    #[test]
    fn every_used_property_is_read() {
        let mut layers = Layers::new(&NAMESRV);
        layers.text(Path::new("namesrv.properties"), "listenPort=9877\nneedWaitForService=true\ndefaultThreadPoolNums=8");
        let settings = NamesrvSettings::from_values(layers.finish().expect("allowed"));
        assert_eq!(settings.values.unread(), [""; 0]);
        assert_eq!((settings.listen_port, settings.wait_s), (9877, Some(45)));
        assert_eq!(settings.notes().len(), 1);
    }
}
