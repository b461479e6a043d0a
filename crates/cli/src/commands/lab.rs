//! `inflight lab`: serves the model service until Ctrl-C, which is how it is meant to end.

use std::net::SocketAddr;

use inflight_lab::{Config, Lab};

use crate::commands::lab_simulate;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::lab::{LabArgs, LabCommand};
use crate::terminal::messages;
use crate::terminal::signals;
use crate::terminal::stdout;

/// Serves until Ctrl-C or SIGTERM, then says on standard error what happened.
pub(crate) fn lab(args: LabArgs) -> Result<Exit> {
    if let Some(LabCommand::Simulate(args)) = args.command {
        return lab_simulate::simulate(args);
    }
    let mut config = Config::default();
    for (key, value) in &args.behaviour.0 {
        config.set(key, value).map_err(Error::usage)?;
    }
    let served = config.served();
    let lab = start(config, args.listen)?;
    let stopper = lab.stopper();
    signals::each(move |_, _| stopper.stop())?;
    let address = lab.address();
    stdout::write(&format!(
        "serving http://{address}: {served}; Ctrl-C ends it\n"
    ))?;
    let stats = lab.wait();
    messages::line(&format_args!(
        "received={} saved={} distinct={} rejected={} in_flight_max={}",
        stats.received, stats.saved, stats.distinct, stats.rejected, stats.in_flight_max
    ));
    Ok(Exit::Success)
}

fn start(config: Config, address: SocketAddr) -> Result<Lab> {
    // Not loopback, or a port that is taken: another address helps.
    Lab::start(config, address)
        .map_err(|error| Error::usage(format_args!("failed to listen on {address}: {error}")))
}
