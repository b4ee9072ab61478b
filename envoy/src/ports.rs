//! Ports that are in use already. Envoy would exit too, but without the name of the variable.

use crate::environment::Settings;
use crate::problem::Problem;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A problem for each port of the settings that is in use. A port that another process takes later is not detected.
#[must_use]
pub fn taken_ports(settings: &Settings) -> Vec<Problem> {
    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.admin_port));
    let ports = [("PORT", settings.listener), ("PROBE_PORT", settings.probe), ("ADMIN_PORT", admin)];
    let taken = ports.into_iter().filter(|(_, address)| is_taken(*address));
    taken
        .map(|(variable, address)| {
            Problem::new(variable, format!("port {} is in use; allowed: a free port", address.port()))
        })
        .collect()
}

fn is_taken(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
