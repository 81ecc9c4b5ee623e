// Drives Nacos's Go SDK: a command per line on standard input, an answer or an event per line on standard output, all JSON (see README.md
// beside). Arguments: server address, and user and password if it asks for them.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

// One line holds a whole configuration item.
const lineLimitBytes = 64 << 20

const pageSize = 100

type instance struct {
	IP        string            `json:"ip"`
	Port      uint64            `json:"port"`
	Weight    float64           `json:"weight"`
	Healthy   bool              `json:"healthy"`
	Enabled   bool              `json:"enabled"`
	Ephemeral bool              `json:"ephemeral"`
	Cluster   string            `json:"cluster"`
	Metadata  map[string]string `json:"metadata"`
}

type command struct {
	ID         uint64     `json:"id"`
	Op         string     `json:"op"`
	Connection string     `json:"connection"`
	Namespace  string     `json:"namespace"`
	Group      string     `json:"group"`
	Service    string     `json:"service"`
	DataID     string     `json:"data_id"`
	Content    string     `json:"content"`
	Md5        string     `json:"md5"`
	Instance   instance   `json:"instance"`
	Instances  []instance `json:"instances"`
}

type key struct{ connection, namespace string }

type subscription struct{ connection, namespace, group, service string }

type driver struct {
	arguments []string
	namings   map[key]naming_client.INamingClient
	configs   map[key]config_client.IConfigClient
	listeners map[subscription]*vo.SubscribeParam
	printing  sync.Mutex
	out       *os.File
}

func main() {
	d := &driver{arguments: os.Args[1:], out: os.Stdout}
	d.namings = map[key]naming_client.INamingClient{}
	d.configs = map[key]config_client.IConfigClient{}
	d.listeners = map[subscription]*vo.SubscribeParam{}
	os.Stdout = os.Stderr // Standard output is for answers alone, whatever the SDK prints.
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineLimitBytes)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		answer := map[string]any{"id": c.ID}
		value, err := d.run(c)
		if err != nil {
			answer["error"] = err.Error()
		} else {
			answer["value"] = value
		}
		d.print(answer)
	}
}

func (d *driver) run(c command) (any, error) {
	switch c.Op {
	case "publish_config", "publish_config_cas", "remove_config", "get_config", "listen_config":
		client, err := d.config(c)
		if err != nil {
			return nil, err
		}
		return d.runConfig(client, c)
	default:
		client, err := d.naming(c)
		if err != nil {
			return nil, err
		}
		return d.runNaming(client, c)
	}
}

func (d *driver) runNaming(client naming_client.INamingClient, c command) (any, error) {
	switch c.Op {
	case "register":
		return nil, check(client.RegisterInstance(registration(c, c.Instance)))
	case "deregister":
		return nil, check(client.DeregisterInstance(vo.DeregisterInstanceParam{
			Ip: c.Instance.IP, Port: c.Instance.Port, Cluster: c.Instance.Cluster, Ephemeral: c.Instance.Ephemeral,
			ServiceName: c.Service, GroupName: c.Group,
		}))
	case "batch":
		batch := vo.BatchRegisterInstanceParam{ServiceName: c.Service, GroupName: c.Group}
		for _, one := range c.Instances {
			batch.Instances = append(batch.Instances, registration(c, one))
		}
		return nil, check(client.BatchRegisterInstance(batch))
	case "subscribe":
		param := d.subscription(c)
		d.listeners[subscription{c.Connection, c.Namespace, c.Group, c.Service}] = param
		return nil, client.Subscribe(param)
	case "unsubscribe":
		return nil, client.Unsubscribe(d.listeners[subscription{c.Connection, c.Namespace, c.Group, c.Service}])
	case "select_one":
		one, err := client.SelectOneHealthyInstance(vo.SelectOneHealthInstanceParam{ServiceName: c.Service, GroupName: c.Group})
		if err != nil || one == nil {
			return nil, err
		}
		return listed([]model.Instance{*one})[0], nil
	case "service_list":
		services, err := client.GetAllServicesInfo(vo.GetAllServiceInfoParam{
			NameSpace: c.Namespace, GroupName: c.Group, PageNo: 1, PageSize: pageSize,
		})
		return map[string]any{"count": services.Count, "names": services.Doms}, err
	case "list":
		instances, err := client.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: c.Service, GroupName: c.Group})
		return listed(instances), err
	}
	return nil, errors.New("unknown command " + c.Op)
}

func (d *driver) subscription(c command) *vo.SubscribeParam {
	return &vo.SubscribeParam{
		ServiceName: c.Service, GroupName: c.Group,
		SubscribeCallback: func(instances []model.Instance, err error) {
			if err == nil { // The SDK's way to say that there are none is an error; the last list stands.
				d.print(map[string]any{"event": "instances", "namespace": c.Namespace, "group": c.Group, "service": c.Service,
					"instances": listed(instances)})
			}
		},
	}
}

func (d *driver) runConfig(client config_client.IConfigClient, c command) (any, error) {
	param := vo.ConfigParam{DataId: c.DataID, Group: c.Group, Content: c.Content}
	switch c.Op {
	case "publish_config":
		return nil, check(client.PublishConfig(param))
	case "publish_config_cas":
		param.CasMd5 = c.Md5
		return nil, check(client.PublishConfig(param))
	case "remove_config":
		return nil, check(client.DeleteConfig(param))
	case "listen_config":
		param.OnChange = func(_, _, _, content string) {
			d.print(map[string]any{"event": "config", "namespace": c.Namespace, "group": c.Group, "data_id": c.DataID, "content": content})
		}
		return nil, client.ListenConfig(param)
	}
	content, err := client.GetConfig(param)
	if err == nil && content == "" {
		return nil, nil // The SDK's word for a missing item is "", and it publishes nothing empty.
	}
	return content, err
}

func (d *driver) naming(c command) (naming_client.INamingClient, error) {
	key := key{c.Connection, c.Namespace}
	if client, known := d.namings[key]; known {
		return client, nil
	}
	param, err := d.settings(c)
	if err != nil {
		return nil, err
	}
	client, err := clients.NewNamingClient(param)
	if err == nil {
		d.namings[key] = client
	}
	return client, err
}

func (d *driver) config(c command) (config_client.IConfigClient, error) {
	key := key{c.Connection, c.Namespace}
	if client, known := d.configs[key]; known {
		return client, nil
	}
	param, err := d.settings(c)
	if err != nil {
		return nil, err
	}
	client, err := clients.NewConfigClient(param)
	if err == nil {
		d.configs[key] = client
	}
	return client, err
}

func (d *driver) settings(c command) (vo.NacosClientParam, error) {
	host, text, err := net.SplitHostPort(d.arguments[0])
	if err != nil {
		return vo.NacosClientParam{}, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return vo.NacosClientParam{}, err
	}
	client := constant.ClientConfig{
		NamespaceId: c.Namespace, TimeoutMs: 5000, LogDir: "logs", CacheDir: "cache", LogLevel: "info",
		NotLoadCacheAtStart: true, DisableUseSnapShot: true,
	}
	if len(d.arguments) > 1 {
		client.Username, client.Password = d.arguments[1], d.arguments[2]
	}
	return vo.NacosClientParam{ClientConfig: &client, ServerConfigs: []constant.ServerConfig{{IpAddr: host, Port: port}}}, nil
}

func registration(c command, one instance) vo.RegisterInstanceParam {
	return vo.RegisterInstanceParam{
		Ip: one.IP, Port: one.Port, Weight: one.Weight, Enable: one.Enabled, Healthy: one.Healthy, Metadata: one.Metadata,
		ClusterName: one.Cluster, ServiceName: c.Service, GroupName: c.Group, Ephemeral: one.Ephemeral,
	}
}

func listed(instances []model.Instance) []instance {
	list := []instance{}
	for _, one := range instances {
		list = append(list, instance{one.Ip, one.Port, one.Weight, one.Healthy, one.Enable, one.Ephemeral, one.ClusterName, one.Metadata})
	}
	return list
}

// A wrong password makes this SDK answer false without an error.
func check(done bool, err error) error {
	if err == nil && !done {
		return fmt.Errorf("the SDK answers false")
	}
	return err
}

func (d *driver) print(line map[string]any) {
	line["at"] = float64(time.Now().UnixMicro()) / 1000
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	d.printing.Lock()
	defer d.printing.Unlock()
	d.out.Write(append(text, '\n'))
}
