//! `composite fn … vjp`: one instruction with two regions, the body and its own gradient.

use super::checker::{Checker, GraphKind, GraphState};
use super::param::same_type;
use super::scope::Local;
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{Op, Type};
use crate::source::Span;
use crate::syntax::ast::{self, Vjp};
use crate::tensor::{self, Graph, InputRole, Origin, OutputRole};
use std::rc::Rc;
use std::sync::Arc;

/// The tensor arguments of a composite call, in order: name and node in the caller's graph.
type Arguments = Vec<(Arc<str>, tensor::Value)>;

impl Checker {
    /// The arguments are the locals of the present frame; compile-time values are simply seen by the regions.
    pub fn eval_composite(&mut self, f: &Rc<ast::Function>) -> Value {
        let args: Arguments = self
            .frame()
            .scopes
            .iter()
            .flatten()
            .filter_map(|l| if let Value::Tensor(x) = l.value { Some((l.name.clone(), x)) } else { None })
            .collect();
        let types: Vec<Type<Dim>> = args.iter().map(|(_, x)| self.graph.emit.ty(*x).clone()).collect();
        let names: Vec<Arc<str>> = args.iter().map(|(n, _)| n.clone()).collect();
        let nodes: Vec<tensor::Value> = args.iter().map(|(_, x)| *x).collect();
        let (body, value) = self.region(&f.name.text, &names, &types, Some(&nodes), |c| c.eval_body(f));
        let Some(layout) = Layout::of(&value) else {
            return if value.is_error() { Value::Error } else { self.report(composite_result(f, value.describe())) };
        };
        let results = layout.types(&body);
        let mut regions = vec![finish(body, &layout)];
        if let Some(vjp) = &f.vjp {
            match self.vjp_region(f, vjp, (&names, &types), &results) {
                Some(region) => regions.push(region),
                None => return Value::Error,
            }
        }
        let op = Op::Composite { name: f.name.text.to_string() };
        let emit = &mut self.graph.emit;
        let outputs = emit.graph.push(op, nodes, results, emit.origin.clone());
        if let Some(inst) = emit.graph.insts.last_mut() {
            inst.regions = regions;
        }
        layout.rebuild(&outputs)
    }

    /// Elaborates in a graph of its own whose inputs are locals of these names. With the arguments that they stand for,
    /// padded dimensions are minded in it.
    fn region(
        &mut self,
        name: &str,
        names: &[Arc<str>],
        types: &[Type<Dim>],
        args: Option<&[tensor::Value]>,
        f: impl FnOnce(&mut Self) -> Value,
    ) -> (Graph<Dim>, Value) {
        let mut state = GraphState::new(name, GraphKind::Region);
        state.emit.origin = self.graph.emit.origin.clone();
        state.emit.ranges = self.graph.emit.ranges.clone();
        let graph = &mut state.emit.graph;
        let input =
            |(name, ty): (&Arc<str>, &Type<Dim>)| graph.input(&**name, InputRole::Arg, ty.clone(), Origin::default());
        let inputs: Vec<tensor::Value> = names.iter().zip(types).map(input).collect();
        if let Some(args) = args {
            state.emit.ragged = self.graph.emit.ragged_in_region(args, &inputs);
        }
        let (state, value) = self.with_graph(state, |c| {
            c.in_scope(|c| {
                for (name, node) in names.iter().zip(inputs) {
                    let value = Value::Tensor(node);
                    c.frame().declare(Local { name: name.clone(), value, is_var: false, span: Span::default() });
                }
                f(c)
            })
        });
        (state.emit.graph, value)
    }

    fn vjp_region(
        &mut self,
        f: &ast::Function,
        vjp: &Vjp,
        args: (&[Arc<str>], &[Type<Dim>]),
        results: &[Type<Dim>],
    ) -> Option<Graph<Dim>> {
        if vjp.names.len() != 2 * results.len() {
            self.report(vjp_names(vjp, results.len()));
            return None;
        }
        let names: Vec<Arc<str>> = args.0.iter().cloned().chain(vjp.names.iter().map(|n| n.text.clone())).collect();
        // A bool or integer result has no adjoint of its own kind; it is given zeros of its type.
        let types: Vec<Type<Dim>> = [args.1, results, results].concat();
        let (mut graph, value) = self.region(&f.name.text, &names, &types, None, |c| c.eval_block(&vjp.body));
        let wanted: Vec<&Type<Dim>> = args.1.iter().filter(|t| t.dtype.is_float()).collect();
        if value.is_error() {
            return None;
        }
        let adjoints = Layout::of(&value).map(|l| l.nodes).unwrap_or_default();
        let found: Vec<&Type<Dim>> = adjoints.iter().map(|&x| graph.ty(x)).collect();
        let fits = found.len() == wanted.len() && found.iter().zip(&wanted).all(|(a, b)| same_type(a, b));
        if !fits {
            let diag = vjp_value(vjp, &wanted, &found);
            self.report(diag);
            return None;
        }
        for (i, x) in adjoints.into_iter().enumerate() {
            graph.output(format!("adj{i}"), OutputRole::Result, x);
        }
        Some(graph)
    }
}

/// The tensors of a result and how they are put together.
struct Layout {
    /// `None`: a bare tensor.
    names: Option<Vec<Arc<str>>>,
    nodes: Vec<tensor::Value>,
}

impl Layout {
    fn of(value: &Value) -> Option<Layout> {
        match value {
            Value::Tensor(x) => Some(Layout { names: None, nodes: vec![*x] }),
            Value::Record(fields) => {
                let nodes = fields.iter().map(|(_, v)| if let Value::Tensor(x) = v { Some(*x) } else { None });
                let names = fields.iter().map(|(n, _)| n.clone()).collect();
                Some(Layout { names: Some(names), nodes: nodes.collect::<Option<_>>()? })
            }
            _ => None,
        }
    }

    fn types(&self, graph: &Graph<Dim>) -> Vec<Type<Dim>> {
        self.nodes.iter().map(|&x| graph.ty(x).clone()).collect()
    }

    fn rebuild(&self, nodes: &[tensor::Value]) -> Value {
        match &self.names {
            None => Value::Tensor(nodes[0]),
            Some(names) => {
                Value::Record(names.iter().zip(nodes).map(|(n, &x)| (n.clone(), Value::Tensor(x))).collect())
            }
        }
    }
}

fn finish(mut graph: Graph<Dim>, layout: &Layout) -> Graph<Dim> {
    for (i, &x) in layout.nodes.iter().enumerate() {
        let name = layout.names.as_ref().map_or_else(|| "y".to_string(), |n| n[i].to_string());
        graph.output(name, OutputRole::Result, x);
    }
    graph
}

fn composite_result(f: &ast::Function, found: &str) -> Diagnostic {
    Diagnostic::error(Code(415), format!("the composite `{}` must give a tensor or a record of tensors", f.name.text))
        .label(f.name.span, format!("it gives {found}"))
}

fn vjp_names(vjp: &Vjp, results: usize) -> Diagnostic {
    let span = vjp.names.first().map_or(vjp.span, |n| n.span);
    Diagnostic::error(Code(416), format!("`vjp` takes {} names here", 2 * results))
        .label(span, "the results, then their adjoints: `vjp (y, y_adj) { … }`")
}

fn vjp_value(vjp: &Vjp, wanted: &[&Type<Dim>], found: &[&Type<Dim>]) -> Diagnostic {
    let list = |types: &[&Type<Dim>]| types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ");
    Diagnostic::error(Code(417), "`vjp` must give the adjoint of each float argument")
        .label(vjp.body.span, format!("this gives ({}), expected ({})", list(found), list(wanted)))
}
