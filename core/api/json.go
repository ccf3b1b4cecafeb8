package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON refuses what two readers could understand in two ways: a member
// that is there twice. Unknown members are refused by the schema.
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if _, first := v.(*any); first { // huma decodes twice: to judge, then to use
			if err := checkMembers(json.NewDecoder(bytes.NewReader(data))); err != nil {
				return err
			}
		}
		return json.Unmarshal(data, v)
	},
}

// checkMembers reads one value and refuses a repeated member at any depth. The
// decoder bounds the depth.
func checkMembers(d *json.Decoder) error {
	token, err := d.Token()
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			text, _ := name.(string)
			if seen[text] {
				return fmt.Errorf("member %q is there twice", text)
			}
			seen[text] = true
		}
		if err := checkMembers(d); err != nil {
			return err
		}
	}
	if _, err = d.Token(); err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// describe makes the schema of a body type say what encoding/json really does,
// which huma does not know of: numbers that travel as strings, and byte fields
// that Go clients send as null when they are empty.
func describe(registry huma.Registry, t reflect.Type) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.PkgPath(), "chancery/") {
		return
	}
	ref := registry.Schema(t, true, t.Name())
	schema := registry.SchemaFromRef(ref.Ref)
	if schema == nil {
		return
	}
	for f := range t.Fields() {
		describe(registry, f.Type)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		property := schema.Properties[name]
		if property == nil {
			continue
		}
		if slices.Contains(strings.Split(options, ","), "string") {
			*property = huma.Schema{Type: huma.TypeString, Pattern: "^(0|-?[1-9][0-9]{0,17})$", Description: property.Description}
		}
		property.Nullable = property.Nullable || property.ContentEncoding == "base64"
		property.PrecomputeMessages()
	}
	schema.PrecomputeMessages()
}
