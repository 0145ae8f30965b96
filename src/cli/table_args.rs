//! The options of `run`, made from the option table of the settings, so that each is declared once.

use super::exit::Failure;
use crate::config::{self, Binding, Command as Place, OptionRow, Override, Takes, option_table};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::ffi::OsString;

/// Puts `run` in front when the word was left out.
pub(super) fn with_run(mut argv: Vec<OsString>) -> Vec<OsString> {
    let first = argv.get(1).and_then(|a| a.to_str()).unwrap_or_default().to_owned();
    let general = ["-h", "--help", "-V", "--version"].contains(&first.as_str());
    if first.starts_with('-') && !general {
        argv.insert(1, "run".into());
    }
    argv
}

/// Refuses what the original had and this program replaces, with the sentence that says by what.
pub(super) fn refuse_replaced(argv: &[OsString]) -> Result<(), Failure> {
    let words: Vec<&str> = argv.iter().skip(1).filter_map(|a| a.to_str()).collect();
    let command = words.first().copied().filter(|w| !w.starts_with('-'));
    for row in option_table() {
        let Binding::Refused(instead) = row.binding else { continue };
        let here = match row.command {
            Place::Run => command.is_none() || command == Some("run") || command == Some("demo"),
            Place::Sub(name) => command == Some(name),
        };
        if !here {
            continue;
        }
        let used = row.option.is_empty()
            || words.iter().any(|w| *w == row.option || w.strip_prefix(row.option).is_some_and(|r| r.starts_with('=')));
        if used {
            let what = if row.option.is_empty() {
                format!("`{}` is not a command of this program", command.unwrap_or_default())
            } else {
                format!("{} is no longer an option", row.option)
            };
            return Err(Failure::usage(format!("{what}: {instead}")));
        }
    }
    Ok(())
}

/// Options that set settings.
#[derive(Clone, Debug, Default)]
pub(super) struct TableArgs {
    /// In the order of the table.
    pub(super) overrides: Vec<Override>,
}

/// Rows that become arguments here; those that act on one run only are fields of the commands.
fn rows() -> impl Iterator<Item = &'static OptionRow> {
    option_table()
        .iter()
        .filter(|r| r.command == Place::Run && !matches!(r.binding, Binding::Run(_) | Binding::Refused(_)))
}

fn help(row: &OptionRow) -> String {
    let key_help = |key: &str| {
        let meaning = config::key(key).map_or("", |k| k.meaning);
        format!("{meaning} [{key}]")
    };
    match row.binding {
        Binding::Set(key) | Binding::SetAndEnable(key, _) => key_help(key),
        Binding::Fixed(key, value) => {
            format!("{} = {value} [{key}]", config::key(key).map_or("", |k| k.meaning).trim_end_matches('.'))
        }
        Binding::Same(other) => format!("The same as {other}"),
        Binding::Run(text) | Binding::Refused(text) => text.to_owned(),
    }
}

impl Args for TableArgs {
    fn augment_args(mut cmd: Command) -> Command {
        for row in rows() {
            let name = row.option.trim_start_matches('-');
            let mut arg = Arg::new(name).long(name).help(help(row)).help_heading("Settings");
            arg = match row.takes {
                Takes::Flag => arg.action(ArgAction::SetTrue),
                Takes::Value(v) | Takes::Optional(v) => {
                    let action = if row.repeatable { ArgAction::Append } else { ArgAction::Set };
                    arg.value_name(v).action(action).allow_hyphen_values(true)
                }
            };
            cmd = cmd.arg(arg);
        }
        cmd
    }

    fn augment_args_for_update(cmd: Command) -> Command {
        Self::augment_args(cmd)
    }
}

impl FromArgMatches for TableArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut overrides = Vec::new();
        for row in rows() {
            let name = row.option.trim_start_matches('-');
            let values: Vec<String> = match row.takes {
                Takes::Flag => {
                    if matches.get_flag(name) {
                        vec![String::new()]
                    } else {
                        Vec::new()
                    }
                }
                _ => matches.get_many::<String>(name).map(|v| v.cloned().collect()).unwrap_or_default(),
            };
            for v in values {
                let set = config::assignments(row.option, &v)
                    .map_err(|e| clap::Error::raw(clap::error::ErrorKind::ValueValidation, e))?;
                overrides.extend(set);
            }
        }
        Ok(Self { overrides })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use clap::CommandFactory as _;

    /// Sub-commands of the program.
    const COMMANDS: &[&str] = &[
        "run",
        "demo",
        "doctor",
        "validate",
        "status",
        "explain",
        "config",
        "scan",
        "convert",
        "masks",
        "dvh",
        "radiomics",
        "report",
        "unit",
        "completions",
        "help",
    ];

    #[test]
    fn every_option_of_the_table_is_on_the_command_line_or_refused_with_a_sentence() {
        let cli = Cli::command();
        assert!(COMMANDS.iter().all(|c| *c == "help" || cli.find_subcommand(c).is_some()));
        for row in option_table() {
            let name = match row.command {
                Place::Run => "run",
                Place::Sub(name) => name,
            };
            if let Binding::Refused(sentence) = row.binding {
                assert!(sentence.split_whitespace().count() >= 4, "{}: {sentence}", row.option);
                let argv: Vec<OsString> = ["rtpipeline", name, row.option].iter().map(Into::into).collect();
                let refused = refuse_replaced(&argv).expect_err(row.option);
                assert!(refused.message.contains(sentence), "{}", refused.message);
            } else {
                let sub = cli.find_subcommand(name).expect(name);
                let long = row.option.trim_start_matches('-');
                assert!(sub.get_arguments().any(|a| a.get_long() == Some(long)), "{name} lacks {}", row.option);
            }
        }
    }

    #[test]
    fn the_word_run_may_be_left_out() {
        let argv = |words: &[&str]| words.iter().map(Into::into).collect::<Vec<OsString>>();
        assert_eq!(with_run(argv(&["rtpipeline", "--dicom-root", "x"]))[1], "run");
        assert_eq!(with_run(argv(&["rtpipeline", "demo"]))[1], "demo");
        assert_eq!(with_run(argv(&["rtpipeline", "--help"]))[1], "--help");
    }
}
