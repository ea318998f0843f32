//! Arguments, file, environment and machine made into `NodeOptions`: every choice is taken here, once.
//!
//! Before: `args`; after: `preflight::checks`, `run::node`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::args::{Broker, BrokerArgs, Check, Namesrv, Serve};
use crate::config::{BROKER, Changes, ConfigErrors, Layers, NAMESRV, NamesrvSettings, NodeOptions, Roles, Settings};
use crate::preflight::{Machine, address};
use ringmq_shards::placement::Routing;

const DATA_DIR: &str = "./ringmq-data";

pub(super) fn serve(args: &Serve, machine: &Machine) -> Result<NodeOptions, String> {
    both(&args.broker, args.namesrv_port, machine, environment())
}

pub(super) fn check(args: &Check, machine: &Machine) -> Result<NodeOptions, String> {
    both(&args.broker, args.namesrv_port, machine, environment())
}

pub(super) fn broker(args: &Broker, machine: &Machine) -> Result<NodeOptions, String> {
    let settings = broker_settings(&args.broker, &args.broker.set, environment())?;
    let namesrv = NamesrvSettings::from_values(Layers::new(&NAMESRV).finish().map_err(explain)?);
    decide(Roles { namesrv: false, broker: true }, settings, namesrv, machine)
}

pub(super) fn namesrv(args: &Namesrv, machine: &Machine) -> Result<NodeOptions, String> {
    let mut layers = Layers::new(&NAMESRV);
    if let Some(path) = &args.config {
        layers.file(path);
    }
    args.set.iter().for_each(|assignment| layers.set(assignment));
    layers.flag("listenPort", "--port", args.port);
    let namesrv = NamesrvSettings::from_values(layers.finish().map_err(explain)?);
    let mut data_dir = Layers::new(&BROKER);
    data_dir.flag("storePathRootDir", "--data", args.data.as_ref().map(|dir| dir.display()));
    let settings = Settings::from_values(data_dir.finish().map_err(explain)?);
    decide(Roles { namesrv: true, broker: false }, settings, namesrv, machine)
}

fn environment() -> Option<String> {
    std::env::var("NAMESRV_ADDR").ok()
}

fn both(args: &BrokerArgs, port: Option<u16>, machine: &Machine, environment: Option<String>) -> Result<NodeOptions, String> {
    // A --set that only the name server knows is for it.
    let is_namesrv = |assignment: &&String| {
        let name = assignment.split('=').next().unwrap_or_default().trim();
        BROKER.find(name).is_none() && NAMESRV.find(name).is_some()
    };
    let (for_namesrv, for_broker): (Vec<&String>, Vec<&String>) = args.set.iter().partition(is_namesrv);
    let for_broker: Vec<String> = for_broker.into_iter().cloned().collect();
    let settings = broker_settings(args, &for_broker, environment)?;

    let mut layers = Layers::new(&NAMESRV);
    for_namesrv.into_iter().for_each(|assignment| layers.set(assignment));
    layers.flag("bindAddress", "bindAddress", Some(settings.bind_address));
    layers.flag("listenPort", "--namesrv-port", port);
    let namesrv = NamesrvSettings::from_values(layers.finish().map_err(explain)?);
    decide(Roles { namesrv: true, broker: true }, settings, namesrv, machine)
}

fn broker_settings(args: &BrokerArgs, set: &[String], environment: Option<String>) -> Result<Settings, String> {
    let mut layers = Layers::new(&BROKER);
    layers.environment("namesrvAddr", "NAMESRV_ADDR", environment);
    if let Some(path) = &args.config {
        layers.file(path);
    }
    set.iter().for_each(|assignment| layers.set(assignment));
    layers.flag("namesrvAddr", "-n", args.namesrv.as_ref());
    layers.flag("storePathRootDir", "--data", args.data.as_ref().map(|dir| dir.display()));
    layers.flag("listenPort", "--broker-port", args.broker_port);
    layers.flag("shards", "--shards", args.shards);
    layers.flag("cores", "--cores", args.cores.as_ref());
    let settings = Settings::from_values(layers.finish().map_err(explain)?);
    let data_dir = settings.store_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let settings = settings.with_changes(&Changes::read(&data_dir)?);
    settings.relations()?;
    Ok(settings)
}

fn explain(errors: ConfigErrors) -> String {
    match errors.0.len() {
        1 => errors.to_string(),
        many => format!("{many} mistakes in the configuration:\n{errors}"),
    }
}

fn decide(roles: Roles, settings: Settings, namesrv_settings: NamesrvSettings, machine: &Machine) -> Result<NodeOptions, String> {
    let mut cores = settings.cores.clone().unwrap_or_else(|| machine.cores.clone());
    if !roles.broker {
        // The name server's table lives on one core.
        cores.truncate(1);
    }
    let shards = settings.shards.unwrap_or(if roles.broker { cores.len().min(256) as u16 } else { 1 });
    let advertised = address::choose(
        settings.broker_ip1.as_deref(),
        settings.bind_address,
        machine.default_interface.as_deref(),
        &machine.interfaces,
    );
    let data_dir = settings.store_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let options = NodeOptions {
        roles,
        // Whole, so that what a start prints says where the messages really are.
        data_dir: std::path::absolute(&data_dir).map_err(|error| format!("{}: {error}", data_dir.display()))?,
        broker_name: settings.broker_name.clone().unwrap_or_else(|| broker_name(&machine.host_name)),
        advertised,
        namesrv_address: SocketAddr::new(namesrv_settings.bind_address, namesrv_settings.listen_port),
        broker_address: SocketAddr::new(settings.bind_address, settings.listen_port),
        namesrv: settings.namesrv.clone(),
        cores,
        shards,
        shards_explicit: settings.shards.is_some(),
        routing: settings.routing,
        memory_budget: settings.memory_budget.unwrap_or_else(|| machine.memory.default_budget()),
        settings,
        namesrv_settings,
    };
    let last = u64::from(options.broker_address.port()) + u64::from(crate::config::DIRECT_PORT_STEP) * u64::from(shards - 1);
    if options.routing == Routing::Direct && last > u64::from(u16::MAX) {
        return Err(format!(
            "{shards} direct shards from port {} on would end at port {last}; choose a lower port",
            options.broker_address.port()
        ));
    }
    Ok(options)
}

/// The host's name as a broker name, as RocketMQ does it.
fn broker_name(host_name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' };
    let name: String = host_name.chars().take(127).map(legal).collect();
    if name.is_empty() || name == "localhost" { "DEFAULT_BROKER".to_string() } else { name }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::args::{Args, Command};
    use crate::config::Candidate;
    use crate::preflight::memory::Memory;
    use clap::Parser;

    /// The same everywhere: 4 cores, 1 GiB, eth0 on the default route.
    pub(in crate::cli) fn machine() -> Machine {
        let interface =
            |interface: &str, address: &str| Candidate { interface: interface.to_string(), address: address.parse().unwrap() };
        Machine {
            host_name: "db 1".to_string(),
            kernel: "6.18".to_string(),
            cores: vec![0, 1, 2, 3],
            memory: Memory { limit: 1 << 30, from: "RAM" },
            interfaces: vec![interface("docker0", "172.17.0.1"), interface("eth0", "10.0.0.5")],
            default_interface: Some("eth0".to_string()),
        }
    }

    pub(in crate::cli) fn options(args: &[&str]) -> Result<NodeOptions, String> {
        let parsed = Args::try_parse_from([&["ringmq"], args].concat()).map_err(|error| error.to_string())?;
        match parsed.command {
            Command::Serve(args) => both(&args.broker, args.namesrv_port, &machine(), None),
            Command::Broker(args) => broker(&args, &machine()),
            Command::Namesrv(args) => namesrv(&args, &machine()),
            other => panic!("{other:?} starts no node"),
        }
    }

    #[test]
    fn everything_has_a_default() {
        let options = options(&["serve"]).unwrap();
        let data_dir = std::env::current_dir().unwrap().join("ringmq-data");
        assert_eq!(options.data_dir, data_dir);
        assert_eq!(options.broker_name, "db-1");
        assert_eq!(options.advertised.address, "10.0.0.5");
        assert_eq!((options.cores.as_slice(), options.shards, options.shards_explicit), ([0, 1, 2, 3].as_slice(), 4, false));
        assert_eq!(options.memory_budget, 256 << 20);
        assert_eq!(options.namesrv_address.to_string(), "0.0.0.0:9876");
        assert_eq!(options.broker_address.to_string(), "0.0.0.0:10911");
        assert_eq!(options.kv_config_path(), data_dir.join("namesrv/kvConfig.json"));
    }

    #[test]
    fn flags_override_set_and_cores_decide_shards() {
        let options =
            options(&["serve", "--cores", "1-2", "--set", "listenPort=1234", "--broker-port", "2345", "--namesrv-port", "3456"])
                .unwrap();
        assert_eq!((options.shards, options.broker_address.port(), options.namesrv_address.port()), (2, 2345, 3456));
        let ports: Vec<u16> = options.listeners().iter().map(|(_, address)| address.port()).collect();
        assert_eq!(ports, [3456, 2345, 2343]);
    }

    #[test]
    fn set_reaches_the_role_that_knows_the_property() {
        let options = options(&["serve", "--set", "orderMessageEnable=true", "--set", "bindAddress=127.0.0.1"]).unwrap();
        assert!(options.namesrv_settings.order_message);
        assert_eq!(options.namesrv_address.to_string(), "127.0.0.1:9876");
        assert_eq!(options.advertised.address, "127.0.0.1");
    }

    #[test]
    fn a_name_server_alone_needs_one_core() {
        let options = options(&["namesrv", "--port", "9877", "--set", "needWaitForService=true"]).unwrap();
        assert_eq!((options.cores.len(), options.shards), (1, 1));
        assert_eq!(options.listeners().len(), 1);
        assert_eq!(options.namesrv_address.port(), 9877);
    }

    #[test]
    fn mistakes_are_explained() {
        assert_eq!(options(&["serve", "--set", "shards"]).unwrap_err(), "--set: 'shards' is not name=value");
        assert!(options(&["broker", "-c", "/no/such/file"]).unwrap_err().starts_with("/no/such/file: cannot be read: "));
        assert!(options(&["serve", "--shards", "0"]).unwrap_err().contains("1 to 256"));
        let direct = ["serve", "--set", "shardRouting=direct", "--shards", "100", "--broker-port", "65500"];
        assert!(options(&direct).unwrap_err().contains("would end at port 65896"));
    }
}
