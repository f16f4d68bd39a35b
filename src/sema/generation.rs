//! What `nnc generate` runs: `start` and `next` of the root layer as graphs of their own, whose states outlive a call.
//!
//! The root call that a phase would make is cut into pieces: what a state holds at the end of one graph is what the next
//! one begins with.

use super::call::method;
use super::checker::{Checker, GraphKind, GraphState};
use super::memory::Memory;
use super::model::Generation;
use super::scope::{Frame, Owner};
use super::value::{CallArg, Callable, InstanceId, Value};
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
    /// The graphs of the root layer that has `next(token: i32[B], at: i32) -> f32[B, V]`; `None` where there is none, or
    /// several.
    pub fn check_generation(&mut self, members: &[Member]) -> Option<Generation> {
        let mut roots = members.iter().filter_map(|m| self.generator(m)).collect::<Vec<_>>();
        let root = roots.pop().filter(|_| roots.is_empty())?;
        let (start, memories) = self.start_graph(&root)?;
        let next = self.next_graph(&root, &memories, false)?;
        let forked = self.next_graph(&root, &memories, true)?;
        let reads = root.start.is_some();
        Some(Generation { start, reads, next, forked, batch: root.batch, length: root.length, span: root.span })
    }

    /// The instance of a `let`, where it generates.
    fn generator(&mut self, member: &Member) -> Option<Root> {
        let Member::Setting(ast::Setting { is_let: true, name, .. }) = member else { return None };
        let Value::Instance(id) = self.find_local(&name.text)?.value else { return None };
        let def = self.instances[id.0 as usize].def.clone();
        let next = method(&def, "next").filter(|f| takes_token(f))?.clone();
        let (batch, length) = (self.fresh_symbol("B"), self.fresh_symbol("S"));
        Some(Root { id, start: method(&def, "start").cloned(), next, batch, length, span: name.span })
    }

    /// The graph that gives the states their values before the first token, and these states: all that `start` and
    /// `next` touch.
    fn start_graph(&mut self, root: &Root) -> Option<(Graph<Dim>, Vec<Memory>)> {
        let (mut graph, (token, values, memories)) = self.root_call("start", |c| {
            let token = c.call_start(root)?;
            let begun = c.graph.current.clone();
            c.call_next(root)?;
            let memories = c.graph.memories.clone();
            let value = |m: &Memory| begun.get(&m.path).copied().unwrap_or(m.first);
            Some((token, memories.iter().map(value).collect::<Vec<_>>(), memories))
        })?;
        token.into_iter().for_each(|token| graph.output("token", OutputRole::Result, token));
        for (memory, value) in memories.iter().zip(values) {
            graph.input(&*memory.path, InputRole::Buffer, memory.ty.clone(), Origin { layer: None, span: root.span });
            graph.output(&*memory.path, OutputRole::Update, value);
        }
        Some((graph, memories))
    }

    /// The graph of one token more: scores, and the states behind it. `forked`: row i goes on from row `parents[i]`.
    fn next_graph(&mut self, root: &Root, memories: &[Memory], forked: bool) -> Option<Graph<Dim>> {
        let (mut graph, (scores, current)) = self.root_call(if forked { "forked" } else { "next" }, |c| {
            let parents = forked.then(|| c.argument_input("parents", vec![root.batch.clone()], root.span));
            memories.iter().try_for_each(|m| c.recall(m, parents, root.span))?;
            let scores = c.call_next(root)?;
            Some((scores, c.graph.current.clone()))
        })?;
        graph.output("scores", OutputRole::Result, scores);
        memories.iter().for_each(|m| graph.output(&*m.path, OutputRole::Update, current[&m.path]));
        Some(graph)
    }

    /// A graph of its own, built by a root call; `None` where `f` gives none.
    fn root_call<R>(&mut self, name: &str, f: impl FnOnce(&mut Self) -> Option<R>) -> Option<(Graph<Dim>, R)> {
        let state = GraphState::new(name, GraphKind::Phase);
        let (state, found) =
            self.with_graph(state, |c| c.in_frame(Frame::new(Owner::None), |c| c.in_root_call(|c| f(c))));
        Some((state.emit.graph, found?))
    }

    /// An input of whole numbers.
    fn argument_input(&mut self, name: &str, shape: Vec<Dim>, span: Span) -> Node {
        let origin = Origin { layer: None, span };
        self.graph.emit.graph.input(name, InputRole::Arg, Type::new(DType::I32, shape), origin)
    }

    /// A state that an earlier graph left, its rows in the order of `parents`.
    fn recall(&mut self, memory: &Memory, parents: Option<Node>, span: Span) -> Option<()> {
        let origin = Origin { layer: None, span };
        let mut node = self.graph.emit.graph.input(&*memory.path, InputRole::Buffer, memory.ty.clone(), origin);
        if let Some(parents) = parents.filter(|_| memory.ty.rank() > 0) {
            node = self.emit(span).op(Op::Take { axis: 0 }, &[node, parents]).ok()?;
        }
        self.graph.current.insert(memory.path.clone(), node);
        self.graph.memories.push(memory.clone());
        Some(())
    }

    /// `start(source, mask)`: the first token of each row, `None` inside where the layer has no `start`.
    fn call_start(&mut self, root: &Root) -> Option<Option<Node>> {
        let Some(start) = &root.start else { return Some(None) };
        let shape = vec![root.batch.clone(), root.length.clone()];
        let source = self.argument_input("source", shape.clone(), root.span);
        let mask = self.emit(root.span).fill(1.0, DType::Bool, &shape).ok()?;
        let token = self.call_root(root, start, &[source, mask])?;
        let fits = *self.graph.emit.ty(token) == Type::new(DType::I32, vec![root.batch.clone()]);
        fits.then_some(Some(token))
    }

    fn call_next(&mut self, root: &Root) -> Option<Node> {
        let token = self.argument_input("token", vec![root.batch.clone()], root.span);
        let at = self.argument_input("at", vec![], root.span);
        let scores = self.call_root(root, &root.next, &[token, at])?;
        let ty = self.graph.emit.ty(scores);
        (ty.dtype == DType::F32 && ty.rank() == 2).then_some(scores)
    }

    fn call_root(&mut self, root: &Root, f: &Rc<Function>, args: &[Node]) -> Option<Node> {
        let arg = |x: &Node| CallArg { label: None, value: Value::Tensor(*x), span: root.span };
        let callable = Callable::Method(root.id, f.clone());
        match self.call(&callable, args.iter().map(arg).collect(), root.span) {
            Value::Tensor(x) => Some(x),
            _ => None,
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
