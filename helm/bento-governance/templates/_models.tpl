{{/* Mounts of the models' volumes. Argument: list ROOT READONLY; READONLY is false only for the init container that downloads models. */}}
{{- define "bg.modelMounts" -}}
{{- $root := index . 0 }}{{ $readOnly := index . 1 }}{{ $seen := dict }}{{ $mounts := list -}}
{{- range $name, $model := $root.Values.models }}
  {{- if and (eq $model.source "claim") (not (hasKey $seen $model.claim)) }}
    {{- $_ := set $seen $model.claim true }}
    {{- $mounts = append $mounts (dict "name" (printf "claim-%s" $model.claim) "mountPath" (printf "/models/claim/%s" $model.claim) "readOnly" true) }}
  {{- else if and (has $model.source (list "http" "oci")) (not (hasKey $seen "https://")) }}
    {{- $_ := set $seen "https://" true }}
    {{- $mounts = append $mounts (dict "name" "models-fetched" "mountPath" "/models/fetched" "readOnly" $readOnly) }}
  {{- end }}
{{- end }}
{{- if $mounts }}{{ toYaml $mounts }}{{ end }}
{{- end }}
