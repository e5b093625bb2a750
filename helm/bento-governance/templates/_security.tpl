{{/* Security contexts: the restricted profile, and the values that the schema admits beside it. */}}
{{- define "bg.podSecurity" -}}
{{- /* OnRootMismatch does not change the modes of existing files, so that files readable only by their owner stay so. */ -}}
{{- $own := dict "runAsNonRoot" true "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- if not .Values.assignedUser }}{{ range $key := list "runAsUser" "runAsGroup" "fsGroup" }}{{ $_ := set $own $key (int $.Values.userId) }}{{ end }}{{ end -}}
{{ toYaml (mergeOverwrite $own (deepCopy .Values.podSecurity)) }}
{{- end }}
{{- define "bg.containerSecurity" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" (dict "drop" (list "ALL")) "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{ toYaml (mergeOverwrite $own (deepCopy .Values.containerSecurity)) }}
{{- end }}
{{/* The added containers that start before the service, or those that start with it. Argument: list ROOT BEFORE. */}}
{{- define "bg.extraContainers" -}}
{{- $root := index . 0 }}{{ $before := index . 1 }}{{ $found := list -}}
{{- range $root.Values.extraContainers }}
  {{- if eq (default false .beforeServer) $before }}
    {{- $container := omit . "beforeServer" }}
    {{- $_ := set $container "securityContext" (include "bg.containerSecurity" $root | fromYaml) }}
    {{- if $before }}{{ $_ := set $container "restartPolicy" "Always" }}{{ end }}
    {{- $found = append $found $container }}
  {{- end }}
{{- end }}
{{- if $found }}{{ toYaml $found }}{{ end }}
{{- end }}
