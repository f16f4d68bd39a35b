//! Inputs and outputs: their roles, names and types.

use super::{Checker, same_type};
use crate::ops::{DType, Extent, Op, Type};
use crate::tensor::{InputRole, Output, OutputRole, Value};
use std::collections::HashSet;

const SCALARS: [&str; 7] = ["step", "total", "epoch", "seed", "micro", "batch", "epoch_steps"];

fn is_state(role: InputRole) -> bool {
    matches!(role, InputRole::Param | InputRole::Buffer | InputRole::OptState)
}

/// Names are unique within a space.
fn name_space(role: InputRole) -> InputRole {
    if is_state(role) { InputRole::Param } else { role }
}

impl<D: Extent> Checker<'_, D> {
    /// Value and name of each `Input` instruction, in order.
    fn input_insts(&self) -> Vec<(Value, &str)> {
        let named = self.graph.insts.iter().filter_map(|inst| match (&inst.op, inst.results.first()) {
            (Op::Input { name }, Some(value)) => Some((*value, name.as_str())),
            _ => None,
        });
        named.collect()
    }

    pub(super) fn inputs(&mut self) {
        let insts: Vec<(Value, String)> = self.input_insts().into_iter().map(|(v, n)| (v, n.to_string())).collect();
        let listed = self.graph.inputs.iter().map(|(v, _)| *v);
        if !listed.eq(insts.iter().map(|(v, _)| *v)) {
            return self.problem("inputs", "the list is not the input instructions in order");
        }
        let mut seen = HashSet::new();
        for ((value, name), (_, role)) in insts.iter().zip(&self.graph.inputs) {
            if !seen.insert((name_space(*role), name.clone())) {
                self.problem(format!("{value} = input"), format!("another input is called `{name}`"));
            }
            if !self.role_fits(*role, name, *value) {
                let ty = &self.graph.types[value.0 as usize];
                self.problem(format!("{value} = input"), format!("{ty} `{name}` cannot be a {}", role.name()));
            }
        }
    }

    fn role_fits(&self, role: InputRole, name: &str, value: Value) -> bool {
        let Some(ty) = self.graph.types.get(value.0 as usize) else { return true };
        match role {
            InputRole::Param | InputRole::Buffer | InputRole::OptState | InputRole::Arg => true,
            InputRole::Column => ty.rank() >= 1,
            InputRole::Rows => ty.dtype == DType::I32 && ty.rank() == 1,
            InputRole::Scalar => SCALARS.contains(&name) && is_scalar(ty, DType::I32),
        }
    }

    pub(super) fn output(&mut self, output: &Output) {
        let place = format!("output `{}`", output.name);
        let weight = if let OutputRole::Report { weight } = output.role { Some(weight) } else { None };
        if let Some(value) = [Some(output.value), weight].into_iter().flatten().find(|v| !self.is_defined(*v)) {
            return self.problem(place, format!("{value} is not defined"));
        }
        if let Some(what) = self.output_fault(output) {
            self.problem(place, what);
        }
    }

    /// What is wrong with an output whose values exist.
    fn output_fault(&self, output: &Output) -> Option<String> {
        let ty = self.graph.ty(output.value);
        match output.role {
            OutputRole::Update => self.update_fault(&output.name, ty),
            OutputRole::Report { weight } => {
                let scalars = is_scalar(ty, DType::F32) && is_scalar(self.graph.ty(weight), DType::F32);
                (!scalars).then(|| "a report and its weight are f32 scalars".to_string())
            }
            OutputRole::Check | OutputRole::Warning => {
                (!is_scalar(ty, DType::Bool)).then(|| "a check is a bool scalar".to_string())
            }
            OutputRole::Result => None,
        }
    }

    /// Without state inputs (an init function) an update may have any name and type.
    fn update_fault(&self, name: &str, ty: &Type<D>) -> Option<String> {
        let roles = self.graph.inputs.iter().map(|(_, role)| *role);
        let state: Vec<_> = self.input_insts().into_iter().zip(roles).filter(|(_, role)| is_state(*role)).collect();
        if state.is_empty() {
            return None;
        }
        let Some(((value, _), _)) = state.into_iter().find(|((_, n), _)| *n == name) else {
            return Some("updates nothing: no param, buffer or optstate has this name".to_string());
        };
        let expected = self.graph.ty(value);
        (!same_type(expected, ty)).then(|| format!("updates {expected} with {ty}"))
    }

    pub(super) fn updates_are_unique(&mut self) {
        let mut seen = HashSet::new();
        let updates = self.graph.outputs.iter().filter(|o| o.role == OutputRole::Update);
        let twice: Vec<&str> = updates.map(|o| o.name.as_str()).filter(|name| !seen.insert(*name)).collect();
        for name in twice {
            self.problem(format!("output `{name}`"), "is updated twice");
        }
    }
}

fn is_scalar<D>(ty: &Type<D>, dtype: DType) -> bool {
    ty.dtype == dtype && ty.rank() == 0
}
