//! What `nnc generate` runs: `start` and `next` of the root layer as graphs of their own, whose states outlive a call.
//!
//! The root call that a phase would make is cut into pieces: what a state holds at the end of one graph is what the next
//! one begins with.

use super::call::{block_name, method};
use super::checker::{Checker, GraphKind, GraphState};
use super::memory::Memory;
use super::model::Generation;
use super::scope::{Frame, Owner};
use super::value::{CallArg, Callable, InstanceId, Value};
use crate::diag::{Code, Diagnostic, Label};
use crate::ops::dim::Dim;
use crate::ops::{DType, Op, Type};
use crate::source::Span;
use crate::syntax::ast::{self, Function, Member, TypeKind};
use crate::tensor::{Graph, InputRole, Origin, OutputRole, Value as Node};
use std::rc::Rc;

/// The layer that generates.
struct Root {
    id: InstanceId,
    start: Option<Rc<Function>>,
    next: Rc<Function>,
    /// Rows that are generated side by side, and the tokens of a source text.
    batch: Dim,
    length: Dim,
    span: Span,
}

impl Checker {
    /// The graphs of the root layer that has `next(token: i32[B], at: i32) -> f32[B, V]`.
    ///
    /// # Errors
    /// Why `nnc generate` cannot use this block, which is no fault of a program that does not want to.
    pub fn check_generation(&mut self, members: &[Member], block: Span) -> Result<Generation, Diagnostic> {
        let candidates: Vec<_> = members.iter().filter_map(|m| self.generator(m)).collect();
        let (mut roots, mut others) = (vec![], vec![]);
        for candidate in candidates {
            match candidate {
                Ok(root) => roots.push(root),
                Err(label) => others.push(label),
            }
        }
        match &roots[..] {
            [root] => self.generation(root),
            [] => Err(errors::no_next(block, others)),
            several => Err(errors::several(several.iter().map(|r| r.span))),
        }
    }

    fn generation(&mut self, root: &Root) -> Result<Generation, Diagnostic> {
        let (start, memories) = self.start_graph(root)?;
        let next = self.next_graph(root, &memories, false)?;
        let forked = self.next_graph(root, &memories, true)?;
        let (batch, length) = (root.batch.clone(), root.length.clone());
        Ok(Generation { start, reads: root.start.is_some(), next, forked, batch, length, span: root.span })
    }

    /// The instance of a `let` that generates, or why it does not.
    fn generator(&mut self, member: &Member) -> Option<Result<Root, Label>> {
        let Member::Setting(ast::Setting { is_let: true, name, .. }) = member else { return None };
        let Value::Instance(id) = self.find_local(&name.text)?.value else { return None };
        let def = self.instances[id.0 as usize].def.clone();
        let Some(next) = method(&def, "next") else {
            return Some(Err(Label { span: name.span, text: format!("`{}` has no `next`", block_name(&def)) }));
        };
        if !takes_token(next) {
            return Some(Err(Label { span: next.name.span, text: "this `next` has other arguments".into() }));
        }
        let (batch, length) = (self.fresh_symbol("B"), self.fresh_symbol("S"));
        let start = method(&def, "start").cloned();
        Some(Ok(Root { id, start, next: next.clone(), batch, length, span: name.span }))
    }

    /// The graph that gives the states their values before the first token, and these states: all that `start` and
    /// `next` touch.
    fn start_graph(&mut self, root: &Root) -> Result<(Graph<Dim>, Vec<Memory>), Diagnostic> {
        let (mut graph, (token, values, memories)) = self.root_call("start", |c| {
            let token = c.call_start(root)?;
            let begun = c.graph.current.clone();
            c.call_next(root)?;
            let memories = c.graph.memories.clone();
            let value = |m: &Memory| begun.get(&m.path).copied().unwrap_or(m.first);
            Ok((token, memories.iter().map(value).collect::<Vec<_>>(), memories))
        })?;
        token.into_iter().for_each(|token| graph.output("token", OutputRole::Result, token));
        for (memory, value) in memories.iter().zip(values) {
            graph.input(&*memory.path, InputRole::Buffer, memory.ty.clone(), Origin { layer: None, span: root.span });
            graph.output(&*memory.path, OutputRole::Update, value);
        }
        Ok((graph, memories))
    }

    /// The graph of one token more: scores, and the states behind it. `forked`: row i goes on from row `parents[i]`.
    fn next_graph(&mut self, root: &Root, memories: &[Memory], forked: bool) -> Result<Graph<Dim>, Diagnostic> {
        let (mut graph, (scores, current)) = self.root_call(if forked { "forked" } else { "next" }, |c| {
            let parents = forked.then(|| c.argument_input("parents", vec![root.batch.clone()], root.span));
            memories.iter().try_for_each(|m| c.recall(m, parents, root.span))?;
            let scores = c.call_next(root)?;
            Ok((scores, c.graph.current.clone()))
        })?;
        graph.output("scores", OutputRole::Result, scores);
        memories.iter().for_each(|m| graph.output(&*m.path, OutputRole::Update, current[&m.path]));
        Ok(graph)
    }

    /// A graph of its own, built by a root call.
    fn root_call<R>(
        &mut self,
        name: &str,
        f: impl FnOnce(&mut Self) -> Result<R, Diagnostic>,
    ) -> Result<(Graph<Dim>, R), Diagnostic> {
        let state = GraphState::new(name, GraphKind::Phase);
        let (state, found) =
            self.with_graph(state, |c| c.in_frame(Frame::new(Owner::None), |c| c.in_root_call(|c| f(c))));
        Ok((state.emit.graph, found?))
    }

    /// An input of whole numbers.
    fn argument_input(&mut self, name: &str, shape: Vec<Dim>, span: Span) -> Node {
        let origin = Origin { layer: None, span };
        self.graph.emit.graph.input(name, InputRole::Arg, Type::new(DType::I32, shape), origin)
    }

    /// A state that an earlier graph left, its rows in the order of `parents`.
    fn recall(&mut self, memory: &Memory, parents: Option<Node>, span: Span) -> Result<(), Diagnostic> {
        let origin = Origin { layer: None, span };
        let mut node = self.graph.emit.graph.input(&*memory.path, InputRole::Buffer, memory.ty.clone(), origin);
        if let Some(parents) = parents.filter(|_| memory.ty.rank() > 0) {
            node = self.emit(span).op(Op::Take { axis: 0 }, &[node, parents]).map_err(|e| *e)?;
        }
        self.graph.current.insert(memory.path.clone(), node);
        self.graph.memories.push(memory.clone());
        Ok(())
    }

    /// `start(source, mask)`: the first token of each row, `None` inside where the layer has no `start`.
    fn call_start(&mut self, root: &Root) -> Result<Option<Node>, Diagnostic> {
        let Some(start) = &root.start else { return Ok(None) };
        let shape = vec![root.batch.clone(), root.length.clone()];
        let source = self.argument_input("source", shape.clone(), root.span);
        let mask = self.emit(root.span).fill(1.0, DType::Bool, &shape).map_err(|e| *e)?;
        let token = self.call_root(root, start, &[source, mask])?;
        let ty = self.graph.emit.ty(token);
        let fits = *ty == Type::new(DType::I32, vec![root.batch.clone()]);
        if fits { Ok(Some(token)) } else { Err(errors::other_result(start, ty, "i32[B]")) }
    }

    fn call_next(&mut self, root: &Root) -> Result<Node, Diagnostic> {
        let token = self.argument_input("token", vec![root.batch.clone()], root.span);
        let at = self.argument_input("at", vec![], root.span);
        let scores = self.call_root(root, &root.next, &[token, at])?;
        let ty = self.graph.emit.ty(scores);
        let fits = ty.dtype == DType::F32 && ty.rank() == 2;
        if fits { Ok(scores) } else { Err(errors::other_result(&root.next, ty, "f32[B, V]")) }
    }

    fn call_root(&mut self, root: &Root, f: &Rc<Function>, args: &[Node]) -> Result<Node, Diagnostic> {
        let arg = |x: &Node| CallArg { label: None, value: Value::Tensor(*x), span: root.span };
        let callable = Callable::Method(root.id, f.clone());
        match self.call(&callable, args.iter().map(arg).collect(), root.span) {
            Value::Tensor(x) => Ok(x),
            // After an error it has been reported, and nothing is generated.
            other => Err(errors::no_result(f, other.describe())),
        }
    }
}

/// Whether the first arguments are declared as `i32[B], i32`, and the others have defaults.
fn takes_token(f: &Function) -> bool {
    let axes = |p: &ast::Param| match p.ty.as_ref().map(|t| &t.kind) {
        Some(TypeKind::Named { name, shape }) if &*name.text == "i32" => Some(shape.as_ref().map_or(0, Vec::len)),
        _ => None,
    };
    match &f.params[..] {
        [token, at, rest @ ..] => {
            axes(token) == Some(1) && axes(at) == Some(0) && rest.iter().all(|p| p.default.is_some())
        }
        _ => false,
    }
}

mod errors {
    use super::*;

    fn cannot() -> Diagnostic {
        Diagnostic::error(Code(819), "this model cannot generate")
    }

    pub fn no_next(block: Span, others: Vec<Label>) -> Diagnostic {
        let wanted = "one layer of this block has to have `next(token: i32[B], at: i32) -> f32[B, V]`";
        let diag = cannot().label(block, wanted);
        let help = "`next` gives the scores of the token behind position `at`; further arguments have defaults. One that \
                    reads a text first has `start`, too";
        others.into_iter().fold(diag, |d, l| d.label(l.span, l.text)).help(help)
    }

    pub fn several(mut names: impl Iterator<Item = Span>) -> Diagnostic {
        let diag = names.next().into_iter().fold(cannot(), |d, first| d.label(first, "this layer has `next`"));
        names.fold(diag, |d, other| d.label(other, "and so has this one")).help(
            "which one is meant? Leave one `let` of the block with `next`, in a `train` block of its own if need be",
        )
    }

    pub fn other_result(f: &Function, found: &Type<Dim>, expected: &str) -> Diagnostic {
        let place = f.result.as_ref().map_or(f.name.span, |ty| ty.span);
        cannot().label(place, format!("`{}` gives {found}, expected {expected}", f.name.text))
    }

    pub fn no_result(f: &Function, found: &str) -> Diagnostic {
        cannot().label(f.name.span, format!("`{}` gives {found}, expected a tensor", f.name.text))
    }
}
