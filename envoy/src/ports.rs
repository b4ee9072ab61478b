//! Ports that others listen on already, by the names of their variables; Envoy would end as well, and name none.

use crate::environment::Settings;
use crate::problem::Problem;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A problem for each port of the settings that is in use. One that is taken a moment later is not seen.
#[must_use]
pub fn taken_ports(settings: &Settings) -> Vec<Problem> {
    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.admin_port));
    let ports = [("PORT", settings.listener), ("PROBE_PORT", settings.probe), ("ADMIN_PORT", admin)];
    let taken = ports.into_iter().filter(|(_, address)| is_taken(*address));
    let allowed = "a port that nobody listens on";
    taken.map(|(variable, address)| Problem::refused(variable, &address.port().to_string(), allowed)).collect()
}

fn is_taken(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
