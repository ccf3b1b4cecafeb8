package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/packages"
)

// mutant is one change of a package.
type mutant struct {
	key    string // where, and what it does to which text
	line   int
	reason string // of the refusal that it takes away, if it does that
}

// edit replaces the bytes from..to of a file. Those of nested expressions nest.
type edit struct {
	from, to int
	text     string
	closing  bool
}

// mutator walks one file.
type mutator struct {
	pkg      *packages.Package
	source   []byte
	file     string // with the last part of its package's path
	function string
	seen     map[string]int             // keys, so that no two are alike
	clauses  map[*ast.BinaryExpr]string // conditions by || of blocks that refuse, with the reason
	mutants  *[]mutant
	edits    []edit
}

func (m *mutator) at(p token.Pos) int { return m.pkg.Fset.Position(p).Offset }

func (m *mutator) text(n ast.Node) string {
	return strings.Join(strings.Fields(string(m.source[m.at(n.Pos()):m.at(n.End())])), " ")
}

// count notes a change of n and gives its number, from 1.
func (m *mutator) count(n ast.Node, does, reason string) int {
	key := fmt.Sprintf("%s %s: %s %s", m.file, m.function, does, m.text(n))
	if m.seen[key]++; m.seen[key] > 1 {
		key += fmt.Sprintf(" (%d)", m.seen[key])
	}
	*m.mutants = append(*m.mutants, mutant{key, m.pkg.Fset.Position(n.Pos()).Line, reason})
	return len(*m.mutants)
}

// wrap counts a change of n and writes its switch: before holds the number's place.
func (m *mutator) wrap(n ast.Node, does, reason, before, after string) {
	before = fmt.Sprintf(before, m.count(n, does, reason))
	m.edits = append(m.edits, edit{m.at(n.Pos()), m.at(n.Pos()), before, false}, edit{m.at(n.End()), m.at(n.End()), after, true})
}

// visit is for ast.Inspect. Outer nodes are wrapped before inner ones.
func (m *mutator) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		m.function = n.Name.Name
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.ArrayType, *ast.FuncType, *ast.StructType:
		return false
	case *ast.BlockStmt:
		m.statements(n.List)
	case *ast.CaseClause:
		m.statements(n.Body)
		m.cases(n)
	case *ast.IfStmt:
		m.condition(n.Cond, n.Body.List)
	case *ast.ForStmt:
		if n.Cond != nil {
			m.wrap(n.Cond, "never", "", "(!mutantIs(%d) && (", "))")
		}
	case *ast.RangeStmt:
		m.noPass(n)
	case *ast.ReturnStmt:
		m.lose(n)
	case *ast.CallExpr:
		return !m.constant(n) && m.call(n)
	case ast.Expr:
		return !m.constant(n) && m.expression(n)
	}
	return true
}

// wording are the calls that only put errors into words.
func wording(n *ast.CallExpr) bool {
	name := types.ExprString(n.Fun)
	return name == "bad" || name == "panic" || name == "refuse" || strings.HasPrefix(name, "fmt.")
}

// call changes the label of a frame, and leaves the words of errors alone.
func (m *mutator) call(n *ast.CallExpr) bool {
	switch name := types.ExprString(n.Fun); {
	case name == "refuse":
		ast.Inspect(n.Args[0], m.visit)
		return false
	case strings.HasSuffix(name, "Frame") || strings.HasSuffix(name, "Sum"):
		if _, literal := n.Args[0].(*ast.BasicLit); literal {
			m.wrap(n.Args[0], "other", "", "mutantOther(%d, ", ")")
		}
	}
	return !wording(n)
}

func (m *mutator) cases(n *ast.CaseClause) {
	for _, x := range n.List {
		if b, ok := m.pkg.TypesInfo.TypeOf(x).Underlying().(*types.Basic); ok && b.Info()&types.IsBoolean != 0 {
			m.condition(x, n.Body)
		}
	}
}

// condition of a block: where the block refuses, each clause of || is a check.
func (m *mutator) condition(x ast.Expr, block []ast.Stmt) {
	reason := m.refusal(block)
	if b, ok := x.(*ast.BinaryExpr); ok && b.Op == token.LOR {
		m.clauses[b], reason = reason, ""
	}
	m.wrap(x, "never", reason, "(!mutantIs(%d) && (", "))")
	m.wrap(x, "always", "", "(mutantIs(%d) || ", ")")
}

// refusal is the reason for which a block ends by refusing, or "".
func (m *mutator) refusal(block []ast.Stmt) string {
	if len(block) == 0 {
		return ""
	}
	r, ok := block[len(block)-1].(*ast.ReturnStmt)
	if !ok || len(r.Results) == 0 {
		return ""
	}
	last := r.Results[len(r.Results)-1]
	if tv := m.pkg.TypesInfo.Types[last]; tv.IsNil() || !types.AssignableTo(tv.Type, types.Universe.Lookup("error").Type()) {
		return ""
	}
	return reasonIn(last)
}

// reasonIn finds what an error is told as.
func reasonIn(x ast.Expr) string {
	reason := "as its cause"
	ast.Inspect(x, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if types.ExprString(n.Fun) == "bad" {
				reason = "ErrFormat"
			} else if types.ExprString(n.Fun) == "refuse" {
				reason = types.ExprString(n.Args[0])
			}
		case *ast.CompositeLit:
			reason = types.ExprString(n.Elts[0])
		case *ast.Ident:
			if strings.HasPrefix(n.Name, "Err") && n.Name != "Errorf" {
				reason = n.Name
			}
		}
		return true
	})
	return reason
}

func (m *mutator) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); !ok || wording(call) {
				continue
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.IncDecStmt:
		default:
			continue
		}
		m.wrap(s, "without", "", "if !mutantIs(%d) { ", " }")
	}
}

func (m *mutator) noPass(n *ast.RangeStmt) {
	at := m.at(n.Body.Lbrace) + 1
	m.edits = append(m.edits, edit{at, at, fmt.Sprintf(" if mutantIs(%d) { break };", m.count(n.X, "no pass over", "")), false})
}

// lose makes success of an error that is returned, where nothing else would be nil.
func (m *mutator) lose(r *ast.ReturnStmt) {
	reason := m.refusal([]ast.Stmt{r})
	for _, x := range r.Results {
		if m.pkg.TypesInfo.Types[x].IsNil() {
			reason = ""
		}
	}
	if reason == "" {
		return
	}
	last := r.Results[len(r.Results)-1]
	if call, ok := last.(*ast.CallExpr); !ok || wording(call) {
		reason = "" // the condition before it is the check
	}
	m.wrap(last, "no error from", reason, "mutantLost(%d, ", ")")
}

var comparisons = map[token.Token]string{
	token.EQL: "Equal", token.NEQ: "Differs", token.LSS: "Less", token.LEQ: "LessEqual", token.GTR: "Greater", token.GEQ: "GreaterEqual",
}

func (m *mutator) expression(n ast.Expr) bool {
	b, ok := n.(*ast.BinaryExpr)
	if !ok {
		return true
	}
	x, y := m.pkg.TypesInfo.Types[b.X], m.pkg.TypesInfo.Types[b.Y]
	at := m.at(b.OpPos)
	if name := comparisons[b.Op]; name != "" && !x.IsNil() && !y.IsNil() && types.Identical(x.Type, y.Type) {
		m.wrap(b, "other comparison in", "", "mutant"+name+"(%d, ", ")")
		m.edits = append(m.edits, edit{at, at + len(b.Op.String()), ", ", false})
	}
	if b.Op == token.LAND || b.Op == token.LOR {
		m.logic(b)
		m.edits = append(m.edits, edit{at, at + 2, ", func() bool { return (", false})
	}
	return true
}

// logic swaps && and ||, and takes each clause out.
func (m *mutator) logic(b *ast.BinaryExpr) {
	if b.Op == token.LAND {
		m.wrap(b, "|| for && in", "", "mutantAnd(%d, ", ") })")
	} else {
		m.wrap(b, "&& for || in", "", "mutantOr(%d, ", ") })")
	}
	for _, part := range []ast.Expr{b.X, b.Y} {
		if inner, ok := part.(*ast.BinaryExpr); ok && inner.Op == b.Op {
			m.clauses[inner] = m.clauses[b]
		} else if b.Op == token.LAND {
			m.wrap(part, "no clause", "", "(mutantIs(%d) || ", ")")
		} else {
			m.wrap(part, "no clause", m.clauses[b], "(!mutantIs(%d) && ", ")")
		}
	}
}

// constant changes what the compiler knows the value of; nothing within it.
func (m *mutator) constant(n ast.Expr) bool {
	tv := m.pkg.TypesInfo.Types[n]
	if tv.Value == nil {
		return false
	}
	basic, ok := tv.Type.Underlying().(*types.Basic)
	_, named := tv.Type.(*types.Named)
	switch {
	case !ok:
	case basic.Info()&types.IsInteger != 0:
		m.wrap(n, "one more than", "", "mutantNext["+m.typeName(types.Default(tv.Type))+"](%d, ", ")")
	case basic.Info()&types.IsString != 0 && named:
		m.wrap(n, "other", "", "mutantOther["+m.typeName(tv.Type)+"](%d, ", ")")
	case basic.Info()&types.IsBoolean != 0:
		m.wrap(n, "not", "", "(mutantIs(%d) != ", ")")
	}
	return true
}

func (m *mutator) typeName(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == m.pkg.Types {
			return ""
		}
		return p.Name()
	})
}
