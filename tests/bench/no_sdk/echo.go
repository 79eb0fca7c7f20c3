// The loop without a library that the bench of the SDKs measures against.
package main

import (
	"bufio"
	"encoding/json"
	"os"
)

func out(message map[string]any) {
	line, _ := json.Marshal(message)
	os.Stdout.Write(append(line, '\n'))
}

func main() {
	out(map[string]any{"type": "ready", "tasks": []string{"kit.echo"}})
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var job map[string]any
		if json.Unmarshal(line, &job) != nil || job["type"] != "job" {
			continue
		}
		out(map[string]any{"type": "done", "id": job["id"], "result": job["args"]})
	}
}
