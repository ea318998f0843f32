//! `ringmq tune` on trees that look like hosts: Debian 12, Ubuntu 24.04, RHEL 9, a container. The machine itself is
//! only looked at, unless `this_machine` is told to.

#[path = "tune/cut_off.rs"]
mod cut_off;
#[path = "tune/deeds.rs"]
mod deeds;
#[path = "tune/host.rs"]
mod host;
#[path = "tune/looking.rs"]
mod looking;
#[path = "tune/script.rs"]
mod script;
#[path = "tune/this_machine.rs"]
mod this_machine;
