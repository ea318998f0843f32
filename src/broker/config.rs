//! UPDATE_BROKER_CONFIG (25) and GET_BROKER_CONFIG (26): the broker's properties, read and changed while it runs.
//!
//! A change is decided at the home of settings, one at a time, kept for the next start (see `config::Changes` for where and
//! why), and taken by every core before it is answered. What is not live is only kept; the log says of each which it is.
//!
//! Before: `broker::dispatch`; after: `config::Settings`, `shards::topic::rules`, `broker::registrar`.

use std::path::Path;
use std::rc::Rc;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::group::GroupRules;
use ringmq_shards::placement::{Placement, Routing};
use ringmq_shards::runtime::{self, fs, mesh::Request};
use ringmq_shards::topic::TopicRules;

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};
use crate::config::{Applies, BROKER, CHANGES_FILE, Origin, Property, Settings, UpdateRefused, java_properties, show};
use crate::remoting::code::ResponseCode;
use crate::remoting::json::{Dialect, Writer};
use crate::remoting::request::topic_config::write_version;

/// Never changed by a request, whatever configBlackList says: where the broker's own files are, changes among them.
const NEVER_CHANGED: [&str; 4] = ["configBlackList", "brokerConfigPath", "rocketmqHome", "storePathRootDir"];

pub async fn get(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let mut body = show::key_values(&properties(core));
    if !body.contains("\nfilterServerNums=") {
        // It means nothing here, and exportConfigs of mqadmin 4.9 fails without it.
        body.push_str("filterServerNums=0\n");
    }
    let mut version = Vec::new();
    write_version(core.settings_version.get(), &mut Writer::new(&mut version, Dialect::Fastjson));
    let version = String::from_utf8(version).expect("numbers in JSON");
    Ok(Response::success().with_field("version", version).with_body(body))
}

/// With what was worked out at start (an empty brokerName is the host's), and in direct routing the shard's own name and port.
fn properties(core: &Core) -> Vec<(Property, String, Origin)> {
    let mut properties = core.settings.borrow().properties();
    let store = core.live.log.options.dir.parent().unwrap_or(&core.live.log.options.dir);
    for (property, value, _) in &mut properties {
        match property.name {
            "brokerName" => value.clone_from(&core.identity.name),
            "brokerIP1" => *value = core.identity.address.ip().to_string(),
            "listenPort" => *value = core.identity.address.port().to_string(),
            "storePathRootDir" => *value = store.display().to_string(),
            _ => {}
        }
    }
    properties
}

pub async fn update(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let entries = java_properties::parse(&String::from_utf8_lossy(call.body()))
        .map_err(|bad| Refusal::new(ResponseCode::SystemError, bad.to_string()))?;
    let changes: Vec<(String, String)> = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
    if changes.is_empty() {
        return Ok(Response::success());
    }
    let home = core.placement.settings(core.id);
    let later = core.mesh.ask(home, core, Update(changes)).await.ok_or_else(Refusal::stopping)??;
    if later.is_empty() {
        return Ok(Response::success());
    }
    Ok(Response::success().with_remark(format!("at the next start: {}", later.join(", "))))
}

/// Where this broker's changes are kept: see `config::Changes`.
fn changes_folder(core: &Core) -> &Path {
    let shard = &core.live.log.options.dir;
    match core.placement.routing() {
        Routing::Mesh => shard.parent().unwrap_or(shard),
        Routing::Direct => shard,
    }
}

/// At the home: some properties get other values.
struct Update(Vec<(String, String)>);

impl Request<Core> for Update {
    /// What takes effect only at the next start.
    type Reply = Result<Vec<String>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let _turn = core.changes_turns.take().await;
        if self.0.iter().any(|(name, _)| NEVER_CHANGED.contains(&name.as_str())) {
            return Err(black_listed());
        }
        // Brokers that are one shard each share the process, so its properties are not one broker's to change.
        let keeps = core.placement.routing() == Routing::Mesh;
        let settings = core.settings.borrow().update(&self.0, keeps)?;
        let path = changes_folder(&core).join(CHANGES_FILE);
        fs::write_durable(&path, settings.changes().encode()).await.map_err(|error| {
            let remark = format!("nothing is changed: {} cannot be written: {error}", path.display());
            Refusal::new(ResponseCode::SystemError, remark)
        })?;
        let version = core.settings_version.get().next(runtime::now());
        let permission_before = core.permission();
        ask_all(&core, Take { settings, version }).await;
        let permission = core.permission();
        if permission != permission_before
            && let Some(registrar) = &*core.registrar.borrow()
        {
            registrar.readvertise(|advertised| advertised.permission = permission);
        }
        let takes_effect = |name: &str| BROKER.find(name).map_or(Applies::Live, |property| property.takes_effect());
        for (name, value) in &self.0 {
            let when = if takes_effect(name) == Applies::Live { "at once" } else { "at the next start" };
            tracing::info!("changed by a request, {when}: {name}={value}");
        }
        let later = self.0.iter().map(|(name, _)| name.clone()).filter(|name| takes_effect(name) != Applies::Live);
        Ok(later.collect())
    }
}

/// At every core: the settings from now on.
#[derive(Clone)]
struct Take {
    settings: Settings,
    version: DataVersion,
}

impl Request<Core> for Take {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        let mut shard = core.live.state.borrow_mut();
        shard.topics.set_rules(topic_rules(&self.settings, &core.identity.name, core.placement));
        shard.groups.set_rules(group_rules(&self.settings));
        core.settings_version.set(self.version);
        core.settings.replace(Rc::new(self.settings));
    }
}

/// What the properties say about topics.
pub fn topic_rules(settings: &Settings, broker: &str, placement: Placement) -> TopicRules {
    TopicRules {
        auto_create: settings.auto_create_topic,
        parts: placement.parts(),
        default_queues: settings.default_topic_queues,
        trace_topic: settings.trace_topic.then(|| settings.trace_topic_name.clone()),
        cluster_topic: settings.cluster_topic,
        broker_topic: settings.broker_topic,
        protect_system_topics: settings.protect_system_topics,
        ..TopicRules::new(&settings.cluster_name, broker)
    }
}

/// What the properties say about groups.
pub fn group_rules(settings: &Settings) -> GroupRules {
    GroupRules { auto_create: settings.auto_create_group, ..GroupRules::default() }
}

fn black_listed() -> Refusal {
    Refusal::new(ResponseCode::NoPermission, "Can not update config in black list.".to_owned())
}

impl From<UpdateRefused> for Refusal {
    fn from(refused: UpdateRefused) -> Refusal {
        match refused {
            UpdateRefused::BlackListed(_) => black_listed(),
            UpdateRefused::Invalid(errors) => Refusal::new(ResponseCode::SystemError, errors.to_string()),
            UpdateRefused::Relation(why) => Refusal::new(ResponseCode::SystemError, why),
        }
    }
}
