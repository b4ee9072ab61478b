//! Ports: those that are in use already, and free ones where no variable sets them.
//!
//! With a port in use Envoy would exit too, but without the name of the variable.

use crate::environment::{Settings, Upstream};
use crate::problem::Problem;
use crate::temporary::reason;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Which addresses are allowed, as messages show it.
pub(crate) const ADDRESS: &str = "an IP address of this machine, such as 0.0.0.0, 127.0.0.1 or ::";

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Which ports are chosen at the start, because no variable sets them. They are 0 until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreePorts {
    listener: bool,
    probe: bool,
    admin: bool,
}

// === impl FreePorts ===

impl FreePorts {
    pub(crate) fn new(listener: SocketAddr, probe: SocketAddr, admin_port: u16) -> Self {
        Self { listener: listener.port() == 0, probe: probe.port() == 0, admin: admin_port == 0 }
    }

    pub(crate) fn any(self) -> bool {
        self.listener || self.probe || self.admin
    }
}

// === impl Settings ===

impl Settings {
    /// These settings with free ports, where no variable sets them. Another process can take such a port before Envoy does.
    ///
    /// # Errors
    ///
    /// The machine has no free port, or `HOST` or `PROBE_HOST` is no address of this machine.
    pub(crate) fn with_free_ports(&self) -> io::Result<Self> {
        let mut settings = self.clone();
        let FreePorts { listener, probe, admin } = self.free_ports;
        // All are bound until all are chosen, so that they differ, and so are the ports that are set.
        let mut held: Vec<_> = self.set_addresses().filter_map(|address| TcpListener::bind(address).ok()).collect();
        let mut choose = |is_free: bool, host: IpAddr, port: &mut u16| {
            if is_free {
                let bound = TcpListener::bind((host, 0))?;
                *port = bound.local_addr()?.port();
                held.push(bound);
            }
            io::Result::Ok(())
        };
        let (mut listener_port, mut probe_port) = (self.listener.port(), self.probe.port());
        choose(listener, self.listener.ip(), &mut listener_port)?;
        choose(probe, self.probe.ip(), &mut probe_port)?;
        choose(admin, LOOPBACK, &mut settings.admin_port)?;
        settings.listener.set_port(listener_port);
        settings.probe.set_port(probe_port);
        Ok(settings)
    }

    /// Addresses of this machine that are not free, whether they are in use now or not: those that are set, and the server's.
    fn set_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let FreePorts { listener, probe, admin } = self.free_ports;
        let own = [(listener, self.listener), (probe, self.probe), (admin, (LOOPBACK, self.admin_port).into())];
        let own = own.into_iter().filter(|(is_free, _)| !is_free).map(|(_, address)| address);
        let endpoint = Upstream::endpoint(&self.upstream).filter(|endpoint| endpoint.is_loopback());
        own.chain(endpoint.map(|endpoint| (LOOPBACK, endpoint.port).into()))
    }
}

/// A problem for each port of the settings that is in use, or cannot be used. A port that another process takes later is not
/// detected.
#[must_use]
pub fn taken_ports(settings: &Settings) -> Vec<Problem> {
    let admin = SocketAddr::from((LOOPBACK, settings.admin_port));
    let ports = [("PORT", settings.listener), ("PROBE_PORT", settings.probe), ("ADMIN_PORT", admin)];
    let change = if settings.is_stdio { "unset" } else { "set" };
    let problem = |(variable, address)| Some(refused(variable, address, change, &TcpListener::bind(address).err()?));
    ports.into_iter().filter_map(problem).collect()
}

/// The problem of an address to which a socket cannot be bound.
fn refused(variable: &'static str, address: SocketAddr, change: &str, error: &io::Error) -> Problem {
    let (host, port) = (address.ip(), address.port());
    match error.kind() {
        ErrorKind::AddrInUse => {
            let advice =
                format!("probably by another mcp-sidecar: end it, or {change} PORT, PROBE_PORT and ADMIN_PORT");
            Problem::new(variable, format!("port {port} is in use; allowed: a free port; {advice}"))
        }
        ErrorKind::PermissionDenied => {
            let allowed = "a port from 1024, or any port with the capability CAP_NET_BIND_SERVICE";
            Problem::new(variable, format!("port {port} is reserved for other users; allowed: {allowed}"))
        }
        _ => {
            let variable = match variable {
                "PORT" => "HOST",
                "PROBE_PORT" => "PROBE_HOST",
                other => other,
            };
            let message = format!("{host} cannot be used ({}); allowed: {ADDRESS}", reason(error));
            Problem::new(variable, message)
        }
    }
}
