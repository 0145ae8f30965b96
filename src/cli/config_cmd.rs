//! `config show|default|schema`.

use super::args::{ConfigArgs, ConfigWhat};
use super::exit::{Exit, Failure};
use crate::config;

/// `rtpipeline config`.
pub(super) fn config(args: &ConfigArgs) -> Result<Exit, Failure> {
    let text = match &args.what {
        ConfigWhat::Default => config::default_yaml(),
        ConfigWhat::Schema => pretty(&config::schema()),
        ConfigWhat::Show { sources, json, table } => {
            let loaded = super::run::load(sources, &table.overrides)?;
            if *json { pretty(&config::show_json(&loaded)) } else { config::show_yaml(&loaded) }
        }
    };
    super::print_bytes(text.as_bytes())
}

fn pretty(v: &serde_json::Value) -> String {
    format!("{v:#}\n")
}
