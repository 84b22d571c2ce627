package config

import "time"

// Managed is a container that runs an upstream. Sizes are in MiB. In a loaded configuration there
// is one model to an upstream, Args are the container's whole command, and ContainerPort and ShmMB
// are what holds.
type Managed struct {
	Image         string        `key:"image" doc:"the container's image; empty: the upstream is a server at urls"`
	Model         string        `key:"model" doc:"what the server loads; empty: there is a container for each model that is routed here, whose upstream is called by its name and the model's, as in tei/BAAI/bge-m3"`
	Args          []string      `key:"args" doc:"arguments after the model's, in place of the kind's usual ones; {model} stands for the model, and where it does, nothing is put before"`
	Env           []EnvVar      `key:"env" doc:"environment of the container"`
	GPUs          string        `key:"gpus" def:"none" doc:"none, all, or device numbers or UUIDs separated by commas"`
	Volumes       []string      `key:"volumes" doc:"NAME:/path or /host/path:/path, with :ro at the end where that is wanted"`
	MemoryMB      int           `key:"memory_mb" max:"16777216" doc:"limit of its memory in MiB, and what it counts as in containers.memory_mb; 0: no limit, counts nothing"`
	GPUMemoryMB   int           `key:"gpu_memory_mb" max:"16777216" doc:"what it counts as on each of its GPUs in containers.gpus, in MiB"`
	ShmMB         int           `key:"shm_mb" max:"16777216" doc:"size of its /dev/shm in MiB; 0: vllm 1024, else the engine's default"`
	ContainerPort int           `key:"container_port" max:"65535" doc:"where the server listens in the container; 0: by the kind: tei 80, vllm and quadrate 8000, infinity 7997"`
	HostPort      int           `key:"host_port" max:"65535" doc:"where it is published on 127.0.0.1; 0: on any free port"`
	Network       string        `key:"network" doc:"a network of the engine, in which the container is reached by its name; nothing is published then. Empty in a container: that container's own network"`
	Pull          string        `key:"pull" def:"missing" enum:"missing|never" doc:"when the image is pulled"`
	PullTimeout   time.Duration `key:"pull_timeout" def:"30m" min:"1s" max:"24h" doc:"time for a pull"`
	Group         string        `key:"group" doc:"of the upstreams of a group one runs at a time"`
	Priority      int           `key:"priority" max:"1000" doc:"those with less make room first and wait longer"`
	Pinned        bool          `key:"pinned" def:"false" doc:"true: runs from the start, and makes room for nobody"`
	Preload       bool          `key:"preload" def:"false" doc:"true: started with the server"`
	IdleTTL       time.Duration `key:"idle_ttl" def:"15m" doc:"stopped after so long without a request; 0s: never"`
	MinResidency  time.Duration `key:"min_residency" def:"10s" max:"24h" doc:"runs so long at least before it makes room"`
	StartWait     time.Duration `key:"start_wait" def:"20s" min:"1ms" max:"1h" doc:"how long a request waits for the server to start; beyond it, or at the request's own time limit, 503 model_loading"`
	StartTimeout  time.Duration `key:"start_timeout" def:"15m" min:"1s" max:"24h" doc:"time for a start, from the container's creation to its first answer"`
	DrainTimeout  time.Duration `key:"drain_timeout" def:"30s" max:"1h" doc:"what requests in flight may take when it is to stop"`
	StopTimeout   time.Duration `key:"stop_timeout" def:"10s" max:"1h" doc:"what the server has from the signal to its end; it is killed then"`
	CheckInterval time.Duration `key:"check_interval" def:"10s" max:"1h" doc:"how often its health is asked; three failures start it anew; 0s: never"`
}

// On says whether the upstream runs in a container.
func (m Managed) On() bool { return m.Image != "" }

// Devices are the GPUs: numbers or UUIDs, or the one word all; none: no GPU.
func (m Managed) Devices() []string {
	if m.GPUs == noGPUs {
		return nil
	}
	return splitList(m.GPUs)
}

// What gpus may be beside a list.
const (
	noGPUs  = "none"
	allGPUs = "all"
)

// EnvVar is one variable of a container's environment.
type EnvVar struct {
	Name  string `key:"name" need:"the variable's name" doc:"the variable's name"`
	Value string `key:"value" secret:"true" doc:"its value; ${NAME} and file:/path are read"`
}

// Containers are what managed upstreams have in common.
//
// In a loaded configuration Instance is set.
type Containers struct {
	Host       string        `key:"host" doc:"the container engine: unix:///path or tcp://host:port; empty: DOCKER_HOST, else unix:///var/run/docker.sock"`
	Instance   string        `key:"instance" doc:"tells this server's containers from those of others on the same engine; empty: quadrate-PORT"`
	OnShutdown string        `key:"on_shutdown" def:"stop" enum:"stop|leave" doc:"what happens to containers when the server stops; those that are left are taken over by the next"`
	MaxWait    time.Duration `key:"max_wait" def:"10s" min:"1ms" max:"1h" doc:"how long a model that waits for room lets others be served before it; then those that hold it let nobody in any more"`
	MemoryMB   int           `key:"memory_mb" max:"16777216" doc:"what the containers' memory_mb may be together; 0: anything"`
	GPUs       []GPUBudget   `key:"gpus" doc:"what the containers' gpu_memory_mb may be together on a GPU; one that is not listed takes anything"`
}

// GPUBudget is the memory of one GPU that containers may take.
type GPUBudget struct {
	ID       string `key:"id" need:"the GPU's number or UUID, as in managed.gpus" doc:"the GPU's number or UUID, as upstreams[].managed.gpus says it"`
	MemoryMB int    `key:"memory_mb" min:"1" max:"16777216" need:"a size in MiB" doc:"MiB"`
}
