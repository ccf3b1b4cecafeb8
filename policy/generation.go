package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// generation is one compiled bundle. It never changes, so any number of
// decisions may use it while the engine moves on to the next.
type generation struct {
	number uint64
	digest string
	// evaluate answers an input; a field so that tests can make it fail in ways OPA does not.
	evaluate func(ctx context.Context, input ast.Value) (any, error)
	answers  *answers
}

// ErrUndefined reports a bundle that gives no answer.
var ErrUndefined = errors.New("policy gives no answer")

func compile(ctx context.Context, bundle Bundle) (*generation, error) {
	files, digest, err := bundle.read()
	if err != nil {
		return nil, err
	}
	compiler, err := compileModules(files)
	if err != nil {
		return nil, err
	}
	query, err := prepare(ctx, compiler, files[enforcementFile])
	if err != nil {
		return nil, err
	}
	g := &generation{number: bundle.Number, digest: digest, evaluate: evaluator(query), answers: newAnswers()}
	return g, g.rehearse(ctx)
}

// compileModules parses and checks the rules: strict mode, no builtin outside
// capabilities, no input path outside the schema.
func compileModules(files map[string][]byte) (*ast.Compiler, error) {
	modules := map[string]*ast.Module{}
	for name, source := range files {
		if !strings.HasSuffix(name, ".rego") || isTest(name) {
			continue
		}
		module, err := parseModule(name, source)
		if err != nil {
			return nil, err
		}
		modules[name] = module
	}
	schemas, err := inputSchema(files[schemaFile])
	if err != nil {
		return nil, err
	}
	compiler := ast.NewCompiler().WithStrict(true).WithCapabilities(capabilities()).WithSchemas(schemas)
	if compiler.Compile(modules); compiler.Failed() {
		return nil, fmt.Errorf("%w: %w", ErrBundle, compiler.Errors)
	}
	return compiler, nil
}

func parseModule(name string, source []byte) (*ast.Module, error) {
	options := ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities()}
	module, err := ast.ParseModuleWithOpts(name, string(source), options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBundle, err)
	}
	return module, nil
}

func inputSchema(source []byte) (*ast.SchemaSet, error) {
	var schema any
	if err := json.Unmarshal(source, &schema); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBundle, schemaFile, err)
	}
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, schema)
	return set, nil
}

func prepare(ctx context.Context, compiler *ast.Compiler, enforcement []byte) (rego.PreparedEvalQuery, error) {
	levels, err := parseEnforcement(enforcement)
	if err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	query, err := rego.New(
		rego.Query("data.chancery.main.decision"),
		rego.Compiler(compiler),
		// Values as OPA's own terms: else each evaluation converts what it reads.
		rego.Store(inmem.NewFromObjectWithOpts(map[string]any{"enforcement": levels}, inmem.OptReturnASTValuesOnRead(true))),
		// Otherwise a failing builtin makes its rule undefined, and a denial disappears.
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(ctx)
	if err != nil {
		return rego.PreparedEvalQuery{}, fmt.Errorf("%w: preparing: %w", ErrBundle, err)
	}
	return query, nil
}

func parseEnforcement(source []byte) (map[string]any, error) {
	var rules map[string]struct {
		Level    Level  `json:"level"`
		UserText string `json:"user_text"`
	}
	if err := json.Unmarshal(source, &rules); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBundle, enforcementFile, err)
	}
	levels := make(map[string]any, len(rules))
	for code, rule := range rules {
		if !slices.Contains([]Level{LevelHard, LevelSoft, LevelAdvisory}, rule.Level) {
			return nil, fmt.Errorf("%w: %s: %s has level %q", ErrBundle, enforcementFile, code, rule.Level)
		}
		levels[code] = map[string]any{"level": string(rule.Level), "user_text": rule.UserText}
	}
	return levels, nil
}

// evaluator asks query for its one answer. OPA would start a goroutine for each
// evaluation to watch ctx; this one exists only once ctx has ended.
func evaluator(query rego.PreparedEvalQuery) func(context.Context, ast.Value) (any, error) {
	return func(ctx context.Context, input ast.Value) (any, error) {
		stop := topdown.NewCancel()
		defer context.AfterFunc(ctx, stop.Cancel)()
		results, err := query.Eval(ctx, rego.EvalParsedInput(input), rego.EvalExternalCancel(stop))
		if err != nil {
			return nil, err
		}
		if len(results) != 1 || len(results[0].Expressions) != 1 {
			return nil, ErrUndefined
		}
		return results[0].Expressions[0].Value, nil
	}
}

// recall gives the answer to the same question asked before, else a new one.
// Failures are not kept, nor what is always asked anew.
func (g *generation) recall(ctx context.Context, q *Question) (Decision, error) {
	if specs[q.Action].Uncached {
		return g.answer(ctx, q)
	}
	k := keyOf(q)
	if d, ok := g.answers.get(k); ok && ctx.Err() == nil {
		return d, nil
	}
	d, err := g.answer(ctx, q)
	if err == nil {
		g.answers.put(k, d)
	}
	return d, err
}

// answer evaluates q, with every failure turned into an error.
func (g *generation) answer(ctx context.Context, q *Question) (d Decision, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			d, err = Decision{}, fmt.Errorf("panic while evaluating policy: %v", cause)
		}
	}()
	if err := ctx.Err(); err != nil {
		return Decision{}, err
	}
	value, err := g.evaluate(ctx, q.value())
	if err != nil {
		return Decision{}, err
	}
	return parseAnswer(value)
}

// rehearsal bounds the first answer of a bundle, which is slower than any later one.
const rehearsal = 5 * time.Second

// rehearse asks once: a bundle that cannot answer is refused now, and the first
// request does not pay for a cold start.
func (g *generation) rehearse(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rehearsal)
	defer cancel()
	q := Question{Action: SystemHealth, Subject: Subject{Kind: KindAnonymous}, Resource: Resource{Type: SystemResource, ID: "rehearsal"}}
	if _, err := g.answer(ctx, &q); err != nil {
		return fmt.Errorf("%w: rehearsing: %w", ErrBundle, err)
	}
	return nil
}
