//! The gateways of this server: which of them listen, and what they ask of the server.

mod desk;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use lockstep_gateway::seams::Gateway;
use lockstep_gateway::{foreman, package_repo, rhq};
use lockstep_net::tls::{self, ClientAuth, Door, ServerIdentity, TlsAcceptorSource};
use tokio::net::TcpListener;

use crate::app::App;
use crate::config::ServerConfig;
use crate::server::{Supervisor, bind};
use crate::{Error, data_dir};
use desk::Desk;

/// The listeners of all gateways that are on, bound before anything is made.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Vec<(Gateway, TcpListener)>);

impl Listeners {
    /// Binds the addresses.
    pub(crate) async fn bind(config: &ServerConfig) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        for (gateway, address) in config.gateway.listeners() {
            listeners.push((gateway, bind(address).await?.listener));
        }
        Ok(Self(listeners))
    }

    /// Where each of them listens.
    pub(crate) fn addresses(&self) -> Vec<(Gateway, SocketAddr)> {
        let listeners = self.0.iter();
        listeners
            .filter_map(|(gateway, listener)| Some((*gateway, listener.local_addr().ok()?)))
            .collect()
    }

    /// Lets them serve.
    pub(crate) fn serve(self, app: &Arc<App>, supervise: &Supervisor) -> Result<(), Error> {
        for (gateway, listener) in self.0 {
            let address = listener.local_addr().ok();
            start(gateway, listener, app, supervise)?;
            tracing::info!(%gateway, address = address.map(tracing::field::display), "a gateway is open");
        }
        Ok(())
    }
}

/// Starts one gateway.
fn start(
    gateway: Gateway,
    listener: TcpListener,
    app: &Arc<App>,
    supervise: &Supervisor,
) -> Result<(), Error> {
    let desk = Arc::new(Desk(Arc::clone(app)));
    let tables = app.config.gateway.clone();
    let of_table = "a gateway that listens has its table";
    match gateway {
        Gateway::Rhq => {
            let config = tables.rhq.expect(of_table);
            let connections = config.connections;
            let routes = rhq::routes(config, desk);
            http(
                gateway,
                listener,
                Door::Plain,
                routes,
                connections,
                app,
                supervise,
            );
        }
        Gateway::ForemanDlm => {
            let config = tables.foreman_dlm.expect(of_table);
            let auth = ClientAuth::Judged {
                ca_pem: pem(&config.client_ca)?,
            };
            let door = door(&config.cert, &config.key, &auth, app)?;
            let connections = config.connections;
            let routes = foreman::routes(config, desk);
            http(gateway, listener, door, routes, connections, app, supervise);
        }
        Gateway::PackageRepo => {
            let config = tables.package_repo.expect(of_table);
            let connections = config.connections;
            let routes = package_repo::routes(config, desk);
            http(
                gateway,
                listener,
                Door::Plain,
                routes,
                connections,
                app,
                supervise,
            );
        }
        _ => {}
    }
    Ok(())
}

/// Serves a gateway's routes.
fn http(
    gateway: Gateway,
    listener: TcpListener,
    door: Door,
    routes: Router,
    connections: usize,
    app: &App,
    supervise: &Supervisor,
) {
    let limits = tls::Limits {
        connections,
        ..tls::Limits::default()
    };
    let serve = tls::serve(listener, door, routes, limits, app.stop.clone());
    supervise.run(gateway.as_str(), serve);
}

/// TLS with a certificate of the operator's.
fn door(cert: &Path, key: &Path, auth: &ClientAuth, app: &App) -> Result<Door, Error> {
    let identity = ServerIdentity {
        chain_pem: pem(cert)?,
        key_pem: pem(key)?,
    };
    let source = TlsAcceptorSource::new(&identity, auth, &app.clock);
    let source = source.map_err(|error| Error::Identity {
        what: "a gateway's TLS",
        why: error.to_string(),
    })?;
    Ok(Door::Tls(source))
}

fn pem(path: &Path) -> Result<String, Error> {
    data_dir::read(path)?.ok_or_else(|| Error::Config {
        path: path.into(),
        why: "it is named in server.toml, and is not there".into(),
    })
}
