//! The gateways of this server: which of them listen, and what they ask of the server.

mod desk;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use lockstep_gateway::dmon::About;
use lockstep_gateway::seams::Gateway;
use lockstep_gateway::{dlm_engine, dmon, fleetlock, foreman, package_repo, rhq, xymon};
use lockstep_net::tls::{self, ClientAuth, Door, ServerIdentity, TlsAcceptorSource};
use tokio::net::TcpListener;
use tracing::Level;

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
    let over_http = |listener| Http {
        gateway,
        listener,
        app,
        supervise,
    };
    match gateway {
        Gateway::Xymon => {
            let config = tables.xymon.expect(of_table);
            let tls = match config.cert.as_ref().zip(config.key.as_ref()) {
                Some((cert, key)) => Some(source(cert, key, &ClientAuth::None, app)?),
                None => None,
            };
            let (reload, stop) = (Arc::clone(&app.reload_gateways), app.stop.clone());
            let serve = xymon::serve(listener, config, tls, desk, reload, stop);
            supervise.run(gateway.as_str(), serve);
        }
        Gateway::Dmon => {
            let config = tables.dmon.expect(of_table);
            let serve = dmon::server::serve(listener, config, desk, about(app), app.stop.clone());
            supervise.run(gateway.as_str(), serve);
        }
        Gateway::DlmEngine => {
            let config = tables.dlm_engine.expect(of_table);
            let secrets = dlm_engine::Secrets::load(&config.secrets);
            let secrets = secrets.map_err(|why| Error::Config {
                path: config.secrets.clone(),
                why: why.to_string(),
            })?;
            let door = maybe_tls(config.cert.as_deref(), config.key.as_deref(), app)?;
            let connections = config.connections;
            let routes = dlm_engine::routes(config, secrets, desk);
            over_http(listener).serve(door, routes, connections);
        }
        Gateway::Fleetlock => {
            let config = tables.fleetlock.expect(of_table);
            let door = maybe_tls(config.cert.as_deref(), config.key.as_deref(), app)?;
            let connections = config.connections;
            let routes = fleetlock::routes(config, desk);
            over_http(listener).serve(door, routes, connections);
        }
        Gateway::Rhq => {
            let config = tables.rhq.expect(of_table);
            let connections = config.connections;
            let routes = rhq::routes(config, desk);
            over_http(listener).serve(Door::Plain, routes, connections);
        }
        Gateway::ForemanDlm => {
            let config = tables.foreman_dlm.expect(of_table);
            let auth = ClientAuth::Judged {
                ca_pem: pem(&config.client_ca)?,
            };
            let door = Door::Tls(source(&config.cert, &config.key, &auth, app)?);
            let connections = config.connections;
            let routes = foreman::routes(config, desk);
            over_http(listener).serve(door, routes, connections);
        }
        Gateway::PackageRepo => {
            let config = tables.package_repo.expect(of_table);
            let connections = config.connections;
            let routes = package_repo::routes(config, desk);
            over_http(listener).serve(Door::Plain, routes, connections);
        }
    }
    Ok(())
}

/// A gateway over HTTP that is about to serve.
struct Http<'a> {
    gateway: Gateway,
    listener: TcpListener,
    app: &'a App,
    supervise: &'a Supervisor,
}

impl Http<'_> {
    fn serve(self, door: Door, routes: Router, connections: usize) {
        let limits = tls::Limits {
            connections,
            ..tls::Limits::default()
        };
        let stop = self.app.stop.clone();
        let serve = tls::serve(self.listener, door, routes, limits, stop);
        self.supervise.run(self.gateway.as_str(), serve);
    }
}

/// TLS where the operator has a certificate for it.
fn maybe_tls(cert: Option<&Path>, key: Option<&Path>, app: &App) -> Result<Door, Error> {
    match cert.zip(key) {
        Some((cert, key)) => Ok(Door::Tls(source(cert, key, &ClientAuth::None, app)?)),
        None => Ok(Door::Plain),
    }
}

/// TLS with a certificate of the operator's.
fn source(
    cert: &Path,
    key: &Path,
    auth: &ClientAuth,
    app: &App,
) -> Result<TlsAcceptorSource, Error> {
    let identity = ServerIdentity {
        chain_pem: pem(cert)?,
        key_pem: pem(key)?,
    };
    let source = TlsAcceptorSource::new(&identity, auth, &app.clock);
    source.map_err(|error| Error::Identity {
        what: "a gateway's TLS",
        why: error.to_string(),
    })
}

/// What the server says of itself to dmon's tools.
fn about(app: &App) -> About {
    let names = app.config.server_names();
    About {
        version: app.version.to_string(),
        hostname: names.first().cloned().unwrap_or_default(),
        log: "standard error".into(),
        log_level: log_level().into(),
    }
}

/// How much of this program is logged.
fn log_level() -> &'static str {
    if tracing::enabled!(Level::TRACE) {
        "trace"
    } else if tracing::enabled!(Level::DEBUG) {
        "debug"
    } else if tracing::enabled!(Level::INFO) {
        "info"
    } else {
        "warn"
    }
}

fn pem(path: &Path) -> Result<String, Error> {
    data_dir::read(path)?.ok_or_else(|| Error::Config {
        path: path.into(),
        why: "it is named in server.toml, and is not there".into(),
    })
}
