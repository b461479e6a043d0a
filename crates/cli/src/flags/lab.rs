//! What was typed after `inflight lab`.
//!
//! Its flags are made from the lab's own list of keys, so that a flag, a query parameter and a scenario line agree.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use inflight_lab::Config;

/// `inflight lab`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LabArgs {
    #[command(subcommand)]
    pub(crate) command: Option<LabCommand>,

    /// Where to listen; must be loopback, port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) behaviour: Behaviour,
}

/// What else a lab can do.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Play a scenario in virtual time: no sockets, no waiting
    Simulate(SimulateArgs),
}

/// How the lab behaves: keys and values in the order of the lab's list.
#[derive(Debug)]
pub(crate) struct Behaviour(pub(crate) Vec<(&'static str, String)>);

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

/// `inflight lab simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The scenario: who sends, what answers, how that changes
    #[arg(value_name = "SCENARIO.toml")]
    pub(crate) scenario: PathBuf,

    /// Seed of everything drawn at random; the same seed gives the same trace
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,

    /// Write the result as one JSON object to this file; `-` is standard output, and nothing else goes there
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Draw limit, in flight, goodput and latency over time into this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,

    /// Also tell of each decision of the first client's law
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Play nothing; try fixed limits and show what the service gives at best in each phase, as [expect] has it where
    /// computing is not what limits
    #[arg(long, conflicts_with_all = ["json", "svg", "verbose"])]
    pub(crate) sweep: bool,
}
