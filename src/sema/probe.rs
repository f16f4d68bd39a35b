//! Definitions by themselves: the functions of a file without `train`, and a look at what nothing calls.
//!
//! Arguments are opaque: each capital a fresh symbol, each `int` too. What depends on their values stays silent.

use super::call::{block_name, is_layer};
use super::checker::{Checker, GraphKind, GraphState, Probing};
use super::layer::Place;
use super::model::Model;
use super::scope::{BoundDim, Frame, Owner, Pack, is_capital};
use super::terms::collect_capitals;
use super::value::{Callable, Value};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent};
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOp, DimExpr, Expr, ExprKind, Function, Member, Param, TypeExpr, TypeKind};
use crate::tensor::{Graph, InputRole, Origin, OutputRole};
use std::rc::Rc;

impl Checker {
    /// Elaborates each `model` of a file without `train`.
    pub fn check_models(&mut self, blocks: &[Rc<ast::BlockItem>], out: &mut Model) {
        for block in blocks.iter().filter(|b| &*b.word.text == "model") {
            self.probing = needed_probing(&block.params);
            let graphs = self.probe_layer(block, &["forward"]);
            out.functions.extend(graphs);
        }
        self.export_layers(out);
        self.probing = Probing::Off;
    }

    /// Elaborates functions and layers of the user's file that nothing has called.
    pub fn check_uncalled(&mut self, items: &[ast::Item], has_train: bool) {
        let depth = |params: &[Param]| if has_train { Probing::NamesOnly } else { needed_probing(params) };
        for item in items {
            match item {
                ast::Item::Fn(f) if !self.entered.contains(&f.span) => {
                    let open = if declares_all(f) { needed_probing(&f.params) } else { depth(&f.params) };
                    self.probing = if packs(f) > 1 { Probing::NamesOnly } else { open };
                    self.probe_function(f, Owner::None);
                }
                ast::Item::Block(b) if is_layer(b) => {
                    self.probing = depth(&b.params);
                    self.check_uncalled_methods(b);
                }
                _ => {}
            }
        }
        self.probing = Probing::Off;
    }

    fn check_uncalled_methods(&mut self, block: &Rc<ast::BlockItem>) {
        let names: Vec<&str> = block
            .members
            .iter()
            .filter_map(|m| match m {
                Member::Fn(f) if !self.entered.contains(&f.span) => Some(&*f.name.text),
                _ => None,
            })
            .collect();
        if !names.is_empty() {
            self.probe_layer(block, &names);
        }
    }

    /// One instance with opaque arguments, and a graph for each of the named functions.
    fn probe_layer(&mut self, block: &Rc<ast::BlockItem>, names: &[&str]) -> Vec<Graph<Dim>> {
        let place = Place { root: "".into(), path: "".into() };
        let state = GraphState::new("probe", GraphKind::Phase);
        let args = block.params.iter().filter(|p| p.default.is_none()).map(|p| self.opaque_argument(p));
        let Some(args) = args.collect::<Option<Vec<_>>>() else { return vec![] };
        self.probed = Some(block.span);
        let (_, instance) = self.with_graph(state, |c| c.at_place(place, |c| c.construct_with(block, args)));
        let Value::Instance(id) = instance else { return vec![] };
        let mut graphs = vec![];
        for member in &block.members {
            if let Member::Fn(f) = member
                && names.contains(&&*f.name.text)
            {
                graphs.extend(self.probe_function(f, Owner::Instance(id)));
            }
        }
        graphs
    }

    fn construct_with(&mut self, block: &Rc<ast::BlockItem>, args: Vec<(ast::Name, Value)>) -> Value {
        let frame = Frame::new(Owner::None);
        self.in_frame(frame, |c| {
            let given: Vec<ast::Arg> = args
                .iter()
                .map(|(name, _)| {
                    let kind = ExprKind::Name(name.clone());
                    ast::Arg { label: Some(name.clone()), value: Expr { kind, span: name.span } }
                })
                .collect();
            for (name, value) in args {
                c.declare(&name, value, false);
            }
            c.construct_layer(block, None, &given, block.word.span)
        })
    }

    /// A stand-in for an argument without a default; `None` where there is none.
    fn opaque_argument(&mut self, param: &Param) -> Option<(ast::Name, Value)> {
        param.ty.iter().for_each(|t| self.check_type(t));
        let value = match param.ty.as_ref().map(|t| &t.kind) {
            Some(TypeKind::Named { name, shape: None }) => match &*name.text {
                "int" => Value::Dim(self.fresh_symbol(&param.name.text)),
                "float" => Value::Float(0.5),
                "bool" => Value::Bool(true),
                "initializer" => Value::Float(0.0),
                _ => return None,
            },
            _ => return None,
        };
        Some((param.name.clone(), value))
    }

    /// The graph of a function whose arguments are inputs; `None` where an argument has no stand-in or the body is
    /// wrong.
    fn probe_function(&mut self, f: &Rc<Function>, owner: Owner) -> Option<Graph<Dim>> {
        let name = match &owner {
            Owner::Instance(id) => block_name(&self.instances[id.0 as usize].def).to_string(),
            _ => f.name.text.to_string(),
        };
        let state = GraphState::new(&name, GraphKind::Phase);
        self.probed = Some(f.span);
        let (state, value) = self.with_graph(state, |c| {
            c.in_frame(Frame::new(owner.clone()), |c| {
                c.open_dims(f);
                let args = f.params.iter().map(|p| c.opaque_value(p)).collect::<Option<Vec<_>>>()?;
                let args = args.into_iter().map(|(value, span)| super::value::CallArg { label: None, value, span });
                let callable = match owner.instance() {
                    Some(id) => Callable::Method(id, f.clone()),
                    None => Callable::Fn(f.clone()),
                };
                Some(c.call(&callable, args.collect(), f.name.span))
            })
        });
        let mut graph = state.emit.graph;
        add_results(&mut graph, "result", &value?).then_some(graph)
    }

    /// Binds the capitals of the arguments' types to fresh symbols, as the `where` clause allows.
    fn open_dims(&mut self, f: &Function) {
        let mut names = vec![];
        let mut packs = vec![];
        f.params.iter().filter_map(|p| p.ty.as_ref()).for_each(|t| open_names(t, &mut names, &mut packs));
        for name in names {
            if self.find_dim(&name.text).is_none() && is_capital(&name.text) {
                let dim = self.opaque_dim(&name, &f.constraints);
                let entry = (name.text.clone(), BoundDim { dim, span: name.span });
                match self.owner().instance() {
                    Some(id) if self.instances[id.0 as usize].dim_names.contains(&name.text) => {
                        self.instances[id.0 as usize].dims.push(entry);
                    }
                    _ => self.frame().dims.push(entry),
                }
            }
        }
        for name in packs {
            let pack = Pack { dims: vec![self.fresh_symbol(&name.text)], span: name.span };
            self.frame().packs.push((name.text.clone(), pack));
        }
    }

    /// A symbol; with `where T % 2 == 0` twice a symbol, with `where T in 2..=128` one of that range.
    fn opaque_dim(&mut self, name: &ast::Name, constraints: &[Expr]) -> Dim {
        let symbol = self.fresh_symbol(&name.text);
        for c in constraints {
            if let Some(n) = divisor(c, &name.text) {
                return symbol.mul(&Dim::Const(n));
            }
            if let ExprKind::Binary(BinaryOp::In, x, range) = &c.kind
                && matches!(&x.kind, ExprKind::Name(n) if n.text == name.text)
                && let Value::Range(Dim::Const(lo), Dim::Const(hi)) = self.eval(range)
                && let Some(s) = symbol.as_symbol()
            {
                self.graph.emit.ranges.insert(s.clone(), (lo, hi - 1));
            }
        }
        symbol
    }

    fn opaque_value(&mut self, param: &Param) -> Option<(Value, Span)> {
        let span = param.name.span;
        param.ty.iter().for_each(|t| self.check_type(t));
        if let Some(ty) = &param.ty
            && let Some(value) = self.input_of_type(&param.name.text, ty, span)
        {
            return Some((value, span));
        }
        match &param.default {
            Some(default) => Some((self.eval(default), span)),
            None => self.opaque_argument(param).map(|(_, value)| (value, span)),
        }
    }

    fn input_of_type(&mut self, name: &str, ty: &TypeExpr, span: Span) -> Option<Value> {
        match &ty.kind {
            TypeKind::Named { name: dtype, shape } => {
                let dtype = DType::from_name(&dtype.text)?;
                if dtype == DType::Bool && shape.is_none() {
                    return None;
                }
                let shape = self.known_shape(shape.as_deref().unwrap_or(&[]))?;
                let ty = crate::ops::Type::new(dtype, shape);
                let origin = Origin { layer: None, span };
                Some(Value::Tensor(self.graph.emit.graph.input(name, InputRole::Arg, ty, origin)))
            }
            TypeKind::Record(fields) => {
                let field = |(n, t): &(ast::Name, TypeExpr)| {
                    let value = self.input_of_type(&format!("{name}.{}", n.text), t, span)?;
                    Some((n.text.clone(), value))
                };
                fields.iter().map(field).collect::<Option<_>>().map(Value::Record)
            }
            TypeKind::List(_) | TypeKind::Error => None,
        }
    }
}

/// What is opaque when these parameters have no arguments.
fn needed_probing(params: &[Param]) -> Probing {
    let is_int =
        |p: &Param| matches!(&p.ty, Some(TypeExpr { kind: TypeKind::Named { name, .. }, .. }) if &*name.text == "int");
    if params.iter().any(|p| is_int(p) && p.default.is_none()) { Probing::Ints } else { Probing::Dims }
}

/// Whether all arguments have types without packs, so that nothing about their shapes is left to the callers.
fn declares_all(f: &Function) -> bool {
    packs(f) == 0 && f.params.iter().all(|p| p.ty.is_some())
}

/// Packs that the arguments name; of two, one is usually empty or equal to the other.
fn packs(f: &Function) -> usize {
    let (mut names, mut packs) = (vec![], vec![]);
    f.params.iter().filter_map(|p| p.ty.as_ref()).for_each(|t| open_names(t, &mut names, &mut packs));
    packs.len()
}

/// `n` of the condition `name % n == 0`.
fn divisor(condition: &Expr, name: &str) -> Option<i64> {
    let ExprKind::Binary(BinaryOp::Eq, rest, zero) = &condition.kind else { return None };
    let ExprKind::Binary(BinaryOp::Rem, x, n) = &rest.kind else { return None };
    match (&x.kind, &n.kind, &zero.kind) {
        (ExprKind::Name(x), ExprKind::Int(n), ExprKind::Int(0)) if &*x.text == name => Some(*n),
        _ => None,
    }
}

fn open_names(ty: &TypeExpr, names: &mut Vec<ast::Name>, packs: &mut Vec<ast::Name>) {
    match &ty.kind {
        TypeKind::Named { shape, .. } => shape.iter().flatten().for_each(|dim| match dim {
            DimExpr::Dim(e) => collect_capitals(e, names),
            DimExpr::Pack(name) if !packs.iter().any(|p| p.text == name.text) => packs.push(name.clone()),
            DimExpr::Pack(_) => {}
        }),
        TypeKind::Record(fields) => fields.iter().for_each(|(_, t)| open_names(t, names, packs)),
        TypeKind::List(item) => open_names(item, names, packs),
        TypeKind::Error => {}
    }
}

/// Adds the tensors of a result as outputs; false where there is something else.
fn add_results(graph: &mut Graph<Dim>, name: &str, value: &Value) -> bool {
    match value {
        Value::Tensor(x) => {
            graph.output(name, OutputRole::Result, *x);
            true
        }
        Value::Record(fields) => fields.iter().all(|(n, v)| add_results(graph, n, v)),
        _ => false,
    }
}
