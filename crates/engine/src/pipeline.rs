//! Stages of different task types side by side.

use crate::api::{Output, PlanContext, Policy, Stage, StageDoc, Subject, Unit, UnitContext, UnitError};
use serde_json::Value;

/// A [`Stage`] whose tasks are JSON values; implemented for every stage.
pub trait ErasedStage<S>: Send + Sync {
    /// [`Stage::name`].
    fn erased_name(&self) -> &'static str;
    /// [`Stage::version`].
    fn erased_version(&self) -> u32;
    /// [`Stage::describe`].
    fn erased_describe(&self) -> StageDoc;
    /// [`Stage::policy`].
    fn erased_policy(&self) -> Policy;
    /// [`Stage::plan`], tasks serialised.
    ///
    /// # Errors
    /// Those of the stage, and a `Bug` when a task cannot be serialised.
    fn erased_plan(&self, cx: &PlanContext<'_>, subject: &S) -> Result<Vec<Unit<Value>>, UnitError>;
    /// [`Stage::run`] with a task that is parsed strictly.
    ///
    /// # Errors
    /// Those of the stage, and a `Bug` when the task is not one of this stage.
    fn erased_run(&self, cx: &UnitContext, task: &Value) -> Result<Output, UnitError>;
}

impl<S: Subject, T: Stage<Subject = S>> ErasedStage<S> for T {
    fn erased_name(&self) -> &'static str {
        self.name()
    }

    fn erased_version(&self) -> u32 {
        self.version()
    }

    fn erased_describe(&self) -> StageDoc {
        self.describe()
    }

    fn erased_policy(&self) -> Policy {
        self.policy()
    }

    fn erased_plan(&self, cx: &PlanContext<'_>, subject: &S) -> Result<Vec<Unit<Value>>, UnitError> {
        self.plan(cx, subject)?
            .into_iter()
            .map(|u| {
                let task = serde_json::to_value(&u.task).map_err(|e| {
                    UnitError::bug(format!("a task of stage {} cannot be written as JSON: {e}", self.name()))
                })?;
                Ok(Unit { part: u.part, task, inputs: u.inputs, resources: u.resources })
            })
            .collect()
    }

    fn erased_run(&self, cx: &UnitContext, task: &Value) -> Result<Output, UnitError> {
        let task = <T::Task as serde::Deserialize>::deserialize(task)
            .map_err(|e| UnitError::bug(format!("this is not a task of stage {}: {e}", self.name())))?;
        self.run(cx, &task)
    }
}

/// What must have happened in a scope before a stage is planned there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// All units of that stage have succeeded in this scope; otherwise the stage is skipped there, naming the cause.
    Done(&'static str),
    /// That stage is over in this scope, however it ended; a stage that is not part of the run is not waited for.
    After(&'static str),
}

impl Need {
    /// The stage that it names.
    pub fn stage(&self) -> &'static str {
        match self {
            Self::Done(s) | Self::After(s) => s,
        }
    }
}

/// A stage and its needs.
pub struct StageEntry<S> {
    /// The stage.
    pub stage: Box<dyn ErasedStage<S>>,
    /// What it waits for.
    pub needs: Vec<Need>,
}

impl<S: Subject> StageEntry<S> {
    /// A stage with its needs.
    pub fn new(stage: impl Stage<Subject = S> + 'static, needs: impl Into<Vec<Need>>) -> Self
    where
        S: 'static,
    {
        Self { stage: Box::new(stage), needs: needs.into() }
    }
}

/// Stages in their default order; a stage comes after those that it needs.
pub struct Pipeline<S> {
    /// The stages.
    pub stages: Vec<StageEntry<S>>,
}
