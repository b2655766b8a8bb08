/** Who may call what. Every method of the contract has a row; what has none, nobody may call. docs/concepts/api.md */
import type { Role } from "../../pki/identity.ts";

/** Of a machine without an owner: then anybody may call it, and later nobody. */
export const WITHOUT_OWNER = "without owner";

/** Of an authority, which knows who may call: no machine answers it. */
export const OF_AUTHORITY = "of an authority";
export type MethodRole = Role | typeof WITHOUT_OWNER | typeof OF_AUTHORITY;

/** By the method's full name. A caller's role is at least this one. */
export const METHOD_ROLES: Readonly<Record<string, MethodRole>> = {
  "petrify.v1.NodeService.Version": "reader",
  "petrify.v1.NodeService.Status": "reader",
  "petrify.v1.NodeService.FollowOperation": "reader",
  "petrify.v1.NodeService.History": "reader",
  "petrify.v1.ForwardingService.Forward": "reader",
  "grpc.reflection.v1.ServerReflection.ServerReflectionInfo": "reader",
  "petrify.v1.ControlService.StartService": "operator",
  "petrify.v1.ControlService.StopService": "operator",
  "petrify.v1.ControlService.RestartService": "operator",
  "petrify.v1.ControlService.PlanUpgrade": "operator",
  "petrify.v1.ControlService.Upgrade": "operator",
  "petrify.v1.ControlService.Rollback": "operator",
  "petrify.v1.ControlService.GetOperation": "reader",
  "petrify.v1.ControlService.CancelOperation": "operator",
  "petrify.v1.ControlService.Reboot": "operator",
  "petrify.v1.ControlService.Shutdown": "operator",
  "petrify.v1.ControlService.PlanReset": "admin",
  "petrify.v1.ControlService.Reset": "admin",
  "petrify.v1.ControlService.ApplyConfig": "admin",
  "petrify.v1.ControlService.ConfirmConfig": "admin",
  "petrify.v1.ControlService.RollbackConfig": "admin",
  "petrify.v1.ControlService.ListConfigs": "reader",
  "petrify.v1.ControlService.DiffConfigs": "reader",
  "petrify.v1.ControlService.ReadAudit": "reader",
  "petrify.v1.CaptureService.Capture": "admin",
  "petrify.v1.EnrolmentService.Describe": WITHOUT_OWNER,
  "petrify.v1.EnrolmentService.Enrol": WITHOUT_OWNER,
  "petrify.v1.LogService.Logs": "reader",
  "petrify.v1.LogService.Dmesg": "reader",
  "petrify.v1.EventService.Events": "reader",
  "petrify.v1.OwnerService.ReplaceCertificate": "admin",
  "petrify.v1.OwnerService.ReplaceTrust": "admin",
  "petrify.v1.SigningService.Authorities": OF_AUTHORITY,
  "petrify.v1.SigningService.Join": OF_AUTHORITY,
  "petrify.v1.SigningService.Renew": OF_AUTHORITY,
  "petrify.v1.SystemService.Services": "reader",
  "petrify.v1.SystemService.Processes": "reader",
  "petrify.v1.SystemService.Memory": "reader",
  "petrify.v1.SystemService.Cpu": "reader",
  "petrify.v1.SystemService.Load": "reader",
  "petrify.v1.SystemService.Disks": "reader",
  "petrify.v1.SystemService.Mounts": "reader",
  "petrify.v1.SystemService.Network": "reader",
  "petrify.v1.SystemService.Time": "reader",
  "petrify.v1.SystemService.Cgroups": "reader",
  "petrify.v1.SystemService.Containers": "reader",
  "petrify.v1.SystemService.Diff": "operator",
  "petrify.v1.SystemService.List": "operator",
  "petrify.v1.SystemService.Usage": "operator",
  "petrify.v1.SystemService.Read": "admin",
  "petrify.v1.CopyService.Copy": "admin",
};
