//! `inflight lab`: serves the model service until Ctrl-C, which is how it is meant to end.
//!
//! Its flags are made from the lab's own list of keys, so that a flag, a query parameter and a scenario line agree.

use std::net::SocketAddr;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use inflight_lab::{Config, Lab};

use crate::exit::{Exit, Usage};
use crate::lab_simulate::SimulateArgs;
use crate::{lab_simulate, messages, signals, stdout};

/// `inflight lab`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LabArgs {
    #[command(subcommand)]
    command: Option<LabCommand>,

    /// Where to listen; must be loopback, port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    #[command(flatten)]
    behaviour: Behaviour,
}

/// What else a lab can do.
#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Play a scenario in virtual time: no sockets, no waiting
    Simulate(SimulateArgs),
}

/// How the lab behaves: keys and values in the order of the lab's list.
#[derive(Debug)]
struct Behaviour(Vec<(&'static str, String)>);

impl Args for Behaviour {
    fn augment_args(command: Command) -> Command {
        let flags = Config::keys().iter().map(|key| {
            let flag = Arg::new(key.name).long(key.name).help(key.help);
            if key.value.is_empty() {
                flag.action(ArgAction::SetTrue)
            } else {
                flag.value_name(key.value)
            }
        });
        command.next_help_heading("How it behaves").args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Behaviour::augment_args(command)
    }
}

impl FromArgMatches for Behaviour {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Behaviour, clap::Error> {
        let mut behaviour = Behaviour(Vec::new());
        behaviour.update_from_arg_matches(matches)?;
        Ok(behaviour)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0 = Config::keys()
            .iter()
            .filter_map(|key| {
                let value = if key.value.is_empty() {
                    matches.get_flag(key.name).then(String::new)
                } else {
                    matches.get_one::<String>(key.name).cloned()
                };
                value.map(|value| (key.name, value))
            })
            .collect();
        Ok(())
    }
}

/// Serves until Ctrl-C or SIGTERM, then says on standard error what happened.
pub(crate) fn lab(args: LabArgs) -> anyhow::Result<Exit> {
    if let Some(LabCommand::Simulate(args)) = args.command {
        return lab_simulate::simulate(args);
    }
    let mut config = Config::default();
    for (key, value) in &args.behaviour.0 {
        config.set(key, value).map_err(Usage::error)?;
    }
    let lab = start(config, args.listen)?;
    let stopper = lab.stopper();
    signals::each(move |_, _| stopper.stop())?;
    let address = lab.address();
    stdout::write(&format!(
        "serving http://{address}: POST /add, GET /items/ANYTHING, GET /results, GET /stats; Ctrl-C ends it\n"
    ))?;
    let stats = lab.wait();
    messages::line(&format_args!(
        "received={} saved={} distinct={} rejected={} in_flight_max={}",
        stats.received, stats.saved, stats.distinct, stats.rejected, stats.in_flight_max
    ));
    Ok(Exit::Success)
}

fn start(config: Config, address: SocketAddr) -> anyhow::Result<Lab> {
    // Not loopback, or a port that is taken: another address helps.
    Lab::start(config, address)
        .map_err(|error| Usage::error(format_args!("failed to listen on {address}: {error}")))
}
