package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// options are the flags of every command. A setting is taken from a flag, else
// from the environment, else from the file, else from the defaults.
type options struct {
	file, state, listen string
	env                 func(string) (string, bool)
}

const (
	defaultState = "/var/lib/chancery"
	configName   = "chancery.yaml"
	envPrefix    = "CHANCERY_"
)

func (o *options) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.file, "config", "", "configuration file (default chancery.yaml in the state directory)")
	flags.StringVar(&o.state, "state", "", "state directory (default "+defaultState+")")
	flags.StringVar(&o.listen, "listen", "", "address of the public interface")
}

// stateDir is where the configuration is looked for.
func (o *options) stateDir() string {
	if o.state != "" {
		return o.state
	}
	if dir, ok := o.env(envPrefix + "STATE"); ok {
		return dir
	}
	return defaultState
}

func (o *options) path() string {
	if o.file != "" {
		return o.file
	}
	return filepath.Join(o.stateDir(), configName)
}

// load gives the settings, and for each key that is not at its default where it
// comes from.
func (o *options) load() (config, map[string]string, error) {
	state, err := filepath.Abs(o.stateDir())
	if err != nil {
		return config{}, nil, err
	}
	c, err := readConfig(o.path(), state, o.file != "")
	if err != nil {
		return c, nil, err
	}
	from := map[string]string{}
	base := defaults(c.State)
	err = eachSetting(&c, func(key, _ string, v reflect.Value) error {
		if !reflect.DeepEqual(v.Interface(), settingOf(&base, key)) {
			from[key] = o.path()
		}
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		text, ok := o.env(name)
		if !ok {
			return nil
		}
		from[key] = name
		return setText(v, name, text)
	})
	if err != nil {
		return c, nil, err
	}
	if o.state != "" {
		c.State, from["state"] = state, "--state"
	}
	if o.listen != "" {
		c.Listen, from["listen"] = o.listen, "--listen"
	}
	return c, from, c.check()
}

func setText(v reflect.Value, name, text string) error {
	if _, ok := v.Interface().(time.Duration); ok {
		d, err := time.ParseDuration(text)
		if err != nil {
			return usage{fmt.Errorf("%s: %q is not a duration such as 90s", name, text)}
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return usage{fmt.Errorf("%s: %q is not a number", name, text)}
		}
		v.SetInt(n)
	default:
		return usage{fmt.Errorf("%s: lists are set in the file only", name)}
	}
	return nil
}

// eachSetting visits every key of the configuration but those inside lists.
func eachSetting(c *config, visit func(key, doc string, v reflect.Value) error) error {
	return eachField("", reflect.ValueOf(c).Elem(), visit)
}

func eachField(prefix string, v reflect.Value, visit func(key, doc string, v reflect.Value) error) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := prefix + f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Struct {
			if err := eachField(key+".", v.Field(i), visit); err != nil {
				return err
			}
			continue
		}
		if err := visit(key, f.Tag.Get("doc"), v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func settingOf(c *config, key string) (value any) {
	_ = eachSetting(c, func(k, _ string, v reflect.Value) error {
		if k == key {
			value = v.Interface()
		}
		return nil
	})
	return value
}
