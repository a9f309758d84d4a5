//! `keepstep adopt`: takes a database over that is there already, every row kept.
//!
//! Looks first and changes nothing; what it shows is what an activation would find. With `--apply`
//! it activates the profile with its tables adopted, whatever `existing_tables` says.

use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::failed::profile_of;
use super::load_whole;
use super::output::Output;
use super::text::{counted, grouped, plain};
use crate::app::check::{Topics, planned_activation};
use crate::app::connect::{LogRole, OpenLog, no_topic, open_destination};
use crate::app::failure::{Exit, Failure};
use crate::app::run::activation_failure;
use crate::app::settings::log::LogSettings;
use crate::app::settings::profile::ProfileSettings;
use crate::destination::survey::{NewColumn, Rows, TableSurvey};
use crate::destination::{Activation, Destination, Trouble};
use crate::model::layout::Existing;
use crate::model::mapping::Mapping;
use crate::pipeline::activation::plan;

/// Most names that a line lists; the others are counted.
const NAMED: usize = 12;

/// Take over tables that are there already, with every row.
///
/// Shows per table what fits, what would be added or widened, and what is in the way. Nothing is
/// changed without --apply.
#[derive(Debug, Args)]
pub(super) struct AdoptArguments {
    /// Id of the profile; may be left out if there is only one.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Do it: add and widen columns, and bind the tables to the profile.
    #[arg(long)]
    apply: bool,
}

/// Runs the command.
pub(super) async fn run(
    arguments: AdoptArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let (settings, mut contents) = load_whole(settings_path).await?;
    let wanted = profile_of(&settings, arguments.profile.as_deref())?;
    let id = &wanted.profile.id;
    let at = settings.profiles.iter().position(|profile| profile.profile.id == *id);
    let mappings = contents.mappings(at.unwrap_or_default(), &wanted.profile);
    let Some(named) = settings.destinations.get(&wanted.destination) else {
        let hint = "write it as [destination.NAME] in the settings";
        return Err(Failure::usage(format!("there is no {}", wanted.destination), hint));
    };
    let mut activation = match arguments.apply {
        true => for_good(&settings.log, wanted, &mappings).await?,
        false => for_a_look(&settings.log, wanted, &mappings).await?,
    };
    activation.existing = Existing::Adopt;
    let destination = open_destination(named)?;
    output.line(&format!("profile {id} to {}", wanted.destination))?;
    let surveys = destination.survey(&activation).await?;
    for survey in &surveys {
        show(survey, output)?;
    }
    let others = others_in_the_way(destination.as_ref(), &activation, &surveys).await;
    for trouble in &others {
        in_the_way(trouble, output)?;
    }
    let problems = surveys.iter().map(|survey| survey.in_the_way.len()).sum::<usize>();
    let problems = problems + others.len();
    if !arguments.apply {
        output.line(&summary(&surveys, problems))?;
        return if problems == 0 { Ok(()) } else { Err(Failure::silent(Exit::Failed)) };
    }
    output.flush()?;
    apply(destination.as_ref(), &activation, &surveys, output).await
}

/// What the profile needs; topics that the embedded log lacks are made, as a run makes them.
async fn for_good(
    log: &LogSettings,
    wanted: &ProfileSettings,
    mappings: &[Arc<Mapping>],
) -> Result<Activation, Failure> {
    let log = OpenLog::open(log, LogRole::Appends).await?;
    for topic in wanted.profile.topics() {
        log.ensure_topic(&topic).await?;
    }
    let planned = plan(log.log().as_ref(), &wanted.profile, mappings).await;
    planned.map_err(activation_failure)
}

/// What the profile will need, as far as one can know without making a log or a topic.
async fn for_a_look(
    log: &LogSettings,
    wanted: &ProfileSettings,
    mappings: &[Arc<Mapping>],
) -> Result<Activation, Failure> {
    let open = match log {
        LogSettings::Embedded { directory, .. } if !directory.is_dir() => None,
        _ => Some(OpenLog::open(log, LogRole::Appends).await?),
    };
    let made = match log {
        LogSettings::Embedded { partitions, .. } => Some(*partitions),
        LogSettings::Kafka(_) => None,
    };
    let mut topics = Topics::new();
    for topic in wanted.profile.topics() {
        let described = match &open {
            Some(open) => open.log().describe(&topic).await?,
            None => None,
        };
        let partitions = described.map(|described| described.partitions).or(made);
        let partitions = partitions.ok_or_else(|| no_topic(&topic))?;
        topics.insert(topic, partitions);
    }
    let log = open.map(|open| open.log());
    planned_activation(wanted, mappings, log.as_deref(), &topics).await
}

/// What a check finds and the survey does not tell: rights, tables beside those of the entities.
async fn others_in_the_way(
    destination: &dyn Destination,
    activation: &Activation,
    surveys: &[TableSurvey],
) -> Vec<Trouble> {
    let findings = destination.check(activation).await.into_iter();
    let mut others: Vec<Trouble> = Vec::new();
    for trouble in findings.filter_map(|finding| finding.problem) {
        let told = surveys.iter().any(|survey| survey.in_the_way.contains(&trouble));
        if !told && !others.contains(&trouble) {
            others.push(trouble);
        }
    }
    others
}

fn show(survey: &TableSurvey, output: &mut Output) -> Result<(), Failure> {
    let (entity, table) = (plain(survey.entity.as_str()), plain(&survey.table));
    output.line(&format!("\n{table} (entity {entity}): {}", presence(survey)))?;
    let added = |column: &NewColumn| format!("{} {}", plain(&column.name), column.column_type);
    if survey.rows.is_some() {
        output.line(&format!("  fits     {}", counted(count(survey.fits), "column")))?;
    }
    if !survey.missing.is_empty() {
        output.line(&format!("  add      {}", listed(survey.missing.iter().map(added))))?;
    }
    for column in &survey.narrow {
        let name = plain(&column.name);
        output.line(&format!("  widen    {name} from {} to {}", plain(&column.from), column.to))?;
    }
    if !survey.left_over.is_empty() {
        let names = listed(survey.left_over.iter().map(|name| plain(name)));
        output.line(&format!("  leave    {names}: no attribute has them"))?;
    }
    survey.in_the_way.iter().try_for_each(|trouble| in_the_way(trouble, output))
}

fn presence(survey: &TableSurvey) -> String {
    let rows = match survey.rows {
        None => return "is not there, and would be made".to_owned(),
        Some(Rows::Exactly(rows)) => counted(rows, "row"),
        Some(Rows::About(rows)) => format!("about {} rows", grouped(rows)),
    };
    match &survey.bound_to {
        None => rows,
        Some((profile, entity)) => {
            format!("{rows}, bound to profile {profile}, entity {}", plain(entity.as_str()))
        }
    }
}

fn in_the_way(trouble: &Trouble, output: &mut Output) -> Result<(), Failure> {
    output.line(&format!("  PROBLEM  {}: {}", plain(&trouble.what), trouble.code))?;
    output.line(&format!("           hint: {}", plain(&trouble.hint)))
}

/// The first few of many.
fn listed(mut names: impl ExactSizeIterator<Item = String>) -> String {
    let all = names.len();
    let first: Vec<String> = names.by_ref().take(NAMED).collect();
    match all.saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {} more", first.join(", "), grouped(count(more))),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn summary(surveys: &[TableSurvey], problems: usize) -> String {
    if problems > 0 {
        return format!(
            "\n{} in the way; nothing was changed",
            counted(count(problems), "problem")
        );
    }
    let there = surveys.iter().filter(|survey| survey.rows.is_some()).count();
    format!(
        "\n{} can be adopted; nothing was changed; next: keepstep adopt --apply",
        counted(count(there), "table")
    )
}

/// Activates, and says what came of it.
async fn apply(
    destination: &dyn Destination,
    activation: &Activation,
    surveys: &[TableSurvey],
    output: &mut Output,
) -> Result<(), Failure> {
    let activated = destination.activate(activation).await?;
    output.line("\ndone")?;
    let (mut added, mut widened, mut made, mut adopted) = (0, 0, 0, 0);
    for survey in surveys {
        if activated.refused.iter().any(|refused| refused.entity == survey.entity) {
            continue;
        }
        added += survey.missing.len();
        widened += survey.narrow.len();
        match (survey.rows, &survey.bound_to) {
            (None, _) => made += 1,
            (Some(_), None) => adopted += 1,
            (Some(_), Some(_)) => {}
        }
    }
    let numbers = [(adopted, "table"), (made, "new table"), (added, "new column")];
    let [adopted, made, added] = numbers.map(|(number, what)| counted(count(number), what));
    let widened = counted(count(widened), "wider column");
    output.line(&format!("  adopted  {adopted}, every row kept"))?;
    output.line(&format!("  made     {made}, {added}, {widened}"))?;
    for refused in &activated.refused {
        in_the_way(&refused.trouble, output)?;
    }
    if activated.refused.is_empty() {
        return output.line("\nnext: keepstep run");
    }
    let others = counted(count(activated.refused.len()), "table");
    let stand = if activated.refused.len() == 1 { "stands" } else { "stand" };
    output.line(&format!("\n{others} {stand} back; the others are ready"))?;
    Err(Failure::silent(Exit::Failed))
}
